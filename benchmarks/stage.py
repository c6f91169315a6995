"""Where the parts play: embedded servers, a fresh database each and the web server."""

import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import django
import psycopg

from exchange_poc.launcher import ports
from exchange_poc.launcher.health import answers
from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir
from exchange_poc.launcher.postgres import DATABASE, Postgres
from exchange_poc.launcher.processes import end, end_group, spawn
from exchange_poc.launcher.run import create_metrics_directory, manage
from exchange_poc.launcher.servers import Servers, leased
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.launcher.suite import own_local_dir

#: Nothing ticks while a part measures, and no rate limit holds the load back.
ENVIRONMENT: Final = {
    "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
    "API_RATE_LIMIT": "off",
    "TOKEN_RATE_LIMIT": "off",
    "TICK_INTERVAL_SECONDS": "0",
    "PRICE_SOURCES": "simulation",
    "WEB_WORKERS": "2",
}


@dataclass(frozen=True, slots=True)
class Database:
    """One of the databases of the embedded PostgreSQL."""

    server: Postgres
    name: str

    @property
    def url(self) -> str:
        return self.server.url.removesuffix(f"/{DATABASE}") + f"/{self.name}"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a part needs to measure; ``quick`` asks for less data and less time."""

    local: LocalDir
    server: Postgres
    quick: bool

    def seconds(self, full: float) -> float:
        """Return how long to apply a load that takes ``full`` seconds at leisure."""
        return full / 3 if self.quick else full

    def scaled(self, full: int) -> int:
        """Return how much data to load where ``full`` rows are meant."""
        return full // 10 if self.quick else full

    def say(self, message: str) -> None:
        """Show what is going on."""
        print(f"  {time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)

    @contextmanager
    def database(self, name: str, *, template: str = DATABASE) -> Iterator[Database]:
        """Create a database like ``template`` and point Django at it; drop it afterwards."""
        let_go()
        self.administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            with pointed_at(name):
                yield Database(self.server, name)
        finally:
            self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    def administer(self, statement: str) -> None:
        """Run a statement that belongs to no transaction and to no database."""
        url = Database(self.server, "postgres").url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def web_server(self, database: Database) -> Iterator[int]:
        """Serve a database as ``make run`` does, without worker and beat, and return the port."""
        with self.process("web", database, variable="PORT") as (port, _):
            await_answer(port, answers)
            yield port

    @contextmanager
    def stream_server(self, database: Database) -> Iterator[tuple[int, int]]:
        """Run the stream server of a database and return its port and its process id."""
        with self.process("stream", database, variable="STREAM_PORT") as (port, pid):
            await_answer(port, accepts)
            yield port, pid

    @contextmanager
    def process(self, name: str, database: Database, *, variable: str) -> Iterator[tuple[int, int]]:
        """Run ``exchange_poc.NAME`` on a port, which a variable tells it; return port and id."""
        port = ports.pick()
        with open(self.local.root / f"{name}-{database.name}.log", "wb") as log:
            process = spawn(
                [sys.executable, "-m", f"exchange_poc.{name}"],
                follow=signal.SIGTERM,
                cwd=PROJECT_ROOT,
                environment=os.environ | {variable: str(port), "DATABASE_URL": database.url},
                stdout=log,
                stderr=log,
            )
        try:
            yield port, process.pid
        finally:
            steps = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
            end(process.pid, steps, alive=lambda: process.poll() is None)
            end_group(process.pid)


@contextmanager
def opened(*, quick: bool) -> Iterator[Stage]:
    """Start servers below LOCAL_DIR, migrate, set Django up; remove all of it at the end."""
    stop = StopSignals()
    for variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(variable, None)
    os.environ |= ENVIRONMENT
    with own_local_dir(stop=stop) as local, leased(local, stop=stop) as servers:
        create_metrics_directory(local)
        manage("migrate", "--noinput", "--verbosity", "0", stop=stop)
        django.setup()
        logging.getLogger().setLevel(logging.WARNING)  # the table is what belongs on the screen
        try:
            yield Stage(local, postgres_of(servers), quick)
        finally:
            let_go()
            shutil.rmtree(local.root / "prometheus", ignore_errors=True)


def postgres_of(servers: Servers) -> Postgres:
    return next(server for server in servers.all if isinstance(server, Postgres))


@contextmanager
def pointed_at(name: str) -> Iterator[None]:
    """Have Django use the database ``name`` of the same server."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    let_go()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        let_go()
        connection.settings_dict["NAME"] = before


def let_go() -> None:
    """Close Django's connection and its pool, so that the database can be copied or dropped."""
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]


def await_answer(port: int, ready: Callable[[int], bool], *, patience: float = 60) -> None:
    """Return when the server of a port is ready. Raises TimeoutError."""
    deadline = time.monotonic() + patience
    while not ready(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer on port {port}")
        time.sleep(0.1)


def accepts(port: int) -> bool:
    """Tell whether a server accepts connections."""
    try:
        socket.create_connection((ports.LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
