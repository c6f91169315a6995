"""A whole exchange as ``make run`` starts it, with data of its own, and its processes to kill."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir
from exchange_poc.launcher.postgres import Postgres
from exchange_poc.launcher.server import EmbeddedServer
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.launcher.valkey import Valkey
from tests.system.binance_standin.server import API_KEY, API_SECRET
from tests.system.deployment.processes import free_port, get
from tests.waiting import wait_for

#: A step and a sweep often enough that a trial meets some of them; a limit that is counted in
#: Valkey at every request, but never reached.
SETTINGS = {
    "API_RATE_LIMIT": "1000000/m",
    "TOKEN_RATE_LIMIT": "off",
    "PRICE_SOURCES": "simulation",
    "TICK_INTERVAL_SECONDS": "0.5",
    "SWEEP_INTERVAL_SECONDS": "1",
    "SIMULATION_SEED": "faults",
    "BINANCE_API_KEY": API_KEY,
    "BINANCE_API_SECRET": API_SECRET,
}
Parameters = Sequence[Any] | Mapping[str, Any]
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Stack:
    """The exchange, from start() to stop()."""

    def __init__(self, **settings: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
        self.root.chmod(0o711)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        own = {"LOCAL_DIR": str(self.root), "PORT": str(self.port)}
        self.environment = inherited | SETTINGS | own | settings
        local, stop = LocalDir(self.root), StopSignals()
        self.postgres, self.valkey = Postgres(local, stop=stop), Valkey(local, stop=stop)
        self.log = self.root / "run.log"

    # Its life.

    def start(self) -> None:
        """Start the launcher and return when every part is there."""
        with open(self.log, "wb") as log:
            self.launcher = subprocess.Popen(
                [sys.executable, "-m", "exchange_poc.launcher", "--stop-with-parent", "run"],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(self.is_whole, what=f"the exchange (see {self.log})", seconds=240)
        except BaseException:
            self.launcher.terminate()
            raise
        # From here on every command reaches the same servers.
        self.environment |= {"DATABASE_URL": self.postgres.url, "REDIS_URL": self.valkey.url}

    def stop(self) -> None:
        """Stop all of it as Ctrl-C would and delete its data; a failure of either is an error."""
        self.launcher.send_signal(signal.SIGTERM)
        assert self.launcher.wait(60) == 0, self.log.read_text()[-2000:]
        shutil.rmtree(self.postgres.quarters.outside, ignore_errors=True)
        shutil.rmtree(self.root)

    def is_whole(self) -> bool:
        """Tell whether web server, database, cache and worker all are well."""
        return are_whole([self.url])

    def rotation(self) -> Iterator[str]:
        """Yield, without end, where the next request goes."""
        return itertools.repeat(self.url)

    # Its processes.

    def server_pid(self, server: EmbeddedServer) -> int:
        """Return the process id of a server that runs."""
        return wait_for(lambda: server.pid, what=server.name)

    def service(self, *words: str) -> psutil.Process:
        """Return the launcher's child whose command line has ``words``."""

        def find() -> psutil.Process | None:
            for child in psutil.Process(self.launcher.pid).children():
                if set(words) <= set(arguments(child)):
                    return child
            return None

        return wait_for(find, what=" ".join(words))

    def web_worker(self) -> psutil.Process:
        """Return one of the web server's processes."""
        return self.service("exchange_poc.web").children()[0]

    def worker(self) -> psutil.Process:
        """Return the main process of the Celery worker that runs market steps."""
        return self.service("celery", "worker", "2")

    @contextmanager
    def suspended(self, pid: int) -> Iterator[None]:
        """Let a process stand still for the block."""
        process = psutil.Process(pid)
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def spawn(self, *command: str, log: Path, **settings: str) -> subprocess.Popen[bytes]:
        """Start a further process of the exchange, which the launcher knows nothing of."""
        with open(log, "ab") as output:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT_ROOT,
                env=self.environment | settings,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def run(self, *command: str) -> str:
        """Run a Python command to its end and return its output; fail when it fails."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # Its database.

    def connect(self) -> psycopg.Connection[Any]:
        """Return a connection of the trial's own, beside the exchange's pools."""
        return psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=2)

    def query(self, statement: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, parameters: Parameters | None = None) -> Any:
        """Return the one value of a query's one row."""
        [(value,)] = self.query(statement, parameters)
        return value

    def database_answers(self) -> bool:
        """Tell whether PostgreSQL accepts a connection and a statement."""
        try:
            return self.value("SELECT true")
        except psycopg.Error:
            return False

    def steps(self) -> int:
        """Return how many market steps have begun."""
        return int(self.value("SELECT steps FROM market_marketclock"))


def are_whole(urls: Sequence[str]) -> bool:
    """Tell whether web servers find all parts of the exchange well."""
    answers = (get(f"{url}/health") or "" for url in urls)
    return all('"status":"ok"' in answer.replace(" ", "") for answer in answers)


def arguments(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty when it has just ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
