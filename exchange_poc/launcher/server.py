"""What PostgreSQL and Valkey have in common as embedded servers: adopt, start, watch, stop."""

import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from typing import ClassVar, Final

from exchange_poc.launcher import ports
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import LocalDir
from exchange_poc.launcher.processes import Steps, end, spawn, watch
from exchange_poc.launcher.server_user import Quarters
from exchange_poc.launcher.signals import StopSignals

ATTEMPTS: Final = 8
PATIENCE: Final = 60.0  # seconds; a recovery after a crash may take some of them
#: Nothing of the caller's locale or PG* variables.
SERVER_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


class EmbeddedServer(ABC):
    """A server on a loopback port of its own, protected by a password of its own.

    Callers hold the LOCAL_DIR's lock while they start or stop it. ``throwaway`` servers trade
    durability for speed and die with the process that started them.
    """

    name: ClassVar[str]
    variable: ClassVar[str]
    stop_steps: ClassVar[Steps]

    def __init__(self, local: LocalDir, *, stop: StopSignals, throwaway: bool = False) -> None:
        self.local = local
        self.quarters = Quarters(local)
        self.stop_signals = stop
        self.throwaway = throwaway
        self._child: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address clients connect to, with the password."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Make ready for a start and return the command line."""

    @abstractmethod
    def recorded_pid(self) -> int | None:
        """Return the process id of the running server, whoever started it."""

    @abstractmethod
    def accepts(self) -> bool:
        """Tell whether the server that is ours accepts a connection."""

    def configuration(self) -> bytes:
        """Return what the server reads from standard input."""
        return b""

    @property
    def password(self) -> str:
        """The server's password, drawn at random at the first call."""
        return self.local.secret(f"{self.name}.password")

    @property
    def port(self) -> int:
        """The port last chosen, 0 before the first start."""
        return int(self.local.read(f"{self.name}.port") or 0)

    @property
    def pid(self) -> int | None:
        """The process id of the running server, None when it is down."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        return self.recorded_pid()

    def ensure(self, *, keep_port: bool = False) -> None:
        """Start the server unless it runs, and return when it accepts connections.

        With ``keep_port`` a taken port is an error instead of a reason to choose another.
        Raises LauncherError with the end of the log when the server does not come up.
        """
        for _ in range(ATTEMPTS):
            if self.pid is None:
                self._launch(keep_port=keep_port)
            if self._became_ready():
                return
            self.stop_signals.pause(0.3)
        log = f"{self.name}.log"
        raise LauncherError(
            f"{self.name} does not start. {self.local.root / log} ends:\n{self.local.tail(log)}"
        )

    def _launch(self, *, keep_port: bool) -> None:
        if not (self.port and ports.is_free(self.port)):
            if keep_port:
                raise LauncherError(f"port {self.port} of {self.name} is taken by another program")
            self.local.write(f"{self.name}.port", str(ports.pick()))
        command = self.prepare()
        log = self.local.open_log(f"{self.name}.log")
        with open(log, "wb") as output, tempfile.TemporaryFile() as configuration:
            configuration.write(self.configuration())
            configuration.seek(0)
            self._child = spawn(
                command,
                follow=signal.SIGINT if self.throwaway else None,
                user=self.quarters.user,
                environment=SERVER_ENVIRONMENT,
                stdin=configuration,
                stdout=output,
                stderr=output,
            )

    def _became_ready(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.accepts():
                return True
            if self.pid is None:
                return False
            self.stop_signals.pause(0.03)
        raise LauncherError(
            f"{self.name} (process {self.pid}) has accepted no connection for {PATIENCE:g} s: "
            "end that process and try again."
        )

    def stop(self) -> None:
        """Stop the server if it runs, gently first."""
        pid = self.pid
        if pid is None:
            return
        end(pid, self.stop_steps, alive=watch(pid))
        if self._child is not None:
            self._child.poll()

    def delete_data(self) -> None:
        """Delete what the stopped server keeps in LOCAL_DIR or beside it."""
        for suffix in ("port", "password"):
            (self.local.root / f"{self.name}.{suffix}").unlink(missing_ok=True)
