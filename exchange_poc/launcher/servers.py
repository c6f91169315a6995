"""The embedded servers of one LOCAL_DIR, shared by all that hold a lease on them.

The first to need a server starts it, the last to leave stops both. A lease is a shared lock on
a file: it ends with its holder, however that dies; what such a death leaves running is adopted
by the next to come, who is then the last to leave.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from exchange_poc.launcher.console import say
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import LocalDir
from exchange_poc.launcher.locks import FileLock, exclusive
from exchange_poc.launcher.postgres import Postgres
from exchange_poc.launcher.server import EmbeddedServer
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.launcher.valkey import Valkey
from exchange_poc.variables import text

REVIVAL_PAUSE: Final = 5.0  # seconds between attempts to bring a server back


class Servers:
    """A lease on the servers that the environment does not name an address for."""

    def __init__(self, local: LocalDir, *, stop: StopSignals, throwaway: bool = False) -> None:
        local.create()
        self.local = local
        self.stop_signals = stop
        self.all: tuple[EmbeddedServer, ...] = (
            Postgres(local, stop=stop, throwaway=throwaway),
            Valkey(local, stop=stop, throwaway=throwaway),
        )
        self.needed = [server for server in self.all if not text(server.variable)]
        self._lease_path = local.root / "lease.lock"
        self._lease: FileLock | None = None
        self._next_revival = 0.0

    def acquire(self) -> None:
        """Start what is needed and down, and put the servers' addresses into the environment.

        Raises LauncherError when a server does not come up, StopRequested on a stop signal.
        """
        with self._changing(self.stop_signals.pause):
            self._lease = FileLock(self._lease_path)
            try:
                self._lease.share()
                for server in self.needed:
                    server.ensure()
                    os.environ[server.variable] = server.url
            except BaseException:
                self._leave()
                raise

    def release(self) -> bool:
        """Give the lease back; stop the servers and return True when nobody else holds one."""
        with self._changing(time.sleep):
            return self._leave()

    def revive(self) -> None:
        """Start a needed server that has died again, on the port its clients know."""
        dead = [server for server in self.needed if server.pid is None]
        if not dead or time.monotonic() < self._next_revival:
            return
        with self._changing(self.stop_signals.pause):
            for server in dead:
                say(f"{server.name} is down: starting it again")
                try:
                    server.ensure(keep_port=True)
                except LauncherError as error:
                    say(str(error))
        self._next_revival = time.monotonic() + REVIVAL_PAUSE

    def delete_data(self) -> None:
        """Delete all that the servers keep; raise LauncherError while anybody holds a lease."""
        with self._changing(time.sleep):
            lease = FileLock(self._lease_path)
            try:
                if not lease.try_exclusive():
                    raise LauncherError(f"{self.local.root} is in use: stop `make run` first.")
                for server in self.all:
                    server.stop()
                    server.delete_data()
            finally:
                lease.close()

    @contextmanager
    def _changing(self, pause: Callable[[float], None]) -> Iterator[None]:
        with exclusive(self.local.root / "servers.lock", pause=pause):
            yield

    def _leave(self) -> bool:
        if self._lease is None:
            return False
        last = self._lease.try_exclusive()
        if last:
            for server in reversed(self.all):
                server.stop()
        self._lease.close()
        self._lease = None
        return last


@contextmanager
def leased(local: LocalDir, *, stop: StopSignals, throwaway: bool = False) -> Iterator[Servers]:
    """Hold a lease on the servers while the block runs, and name their LOCAL_DIR to children."""
    os.environ["LOCAL_DIR"] = str(local.root)
    servers = Servers(local, stop=stop, throwaway=throwaway)
    servers.acquire()
    try:
        yield servers
    finally:
        if not servers.release():
            say("another command uses the embedded servers still; the last one stops them")
