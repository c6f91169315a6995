"""One running exchange for all tests of a file, with traders who have keys, and the client."""

import csv
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.conftest import Restore
from tests.console import D
from tests.system.agents.front import Front
from tests.system.deployment.processes import end_group, free_port
from tests.system.trials.conftest import environment_of_processes
from tests.system.web.conftest import accepts
from tests.waiting import wait_for

T = TypeVar("T")
EXAMPLES = PROJECT_ROOT / "docs/examples"


#: As many traders as tests want, all made in one call.
TRADERS = 14
#: How long a test may take on the busiest of machines, in seconds.
PATIENCE = 180
PORTS = {"web": "PORT", "stream": "STREAM_PORT"}


@dataclass(slots=True)
class Exchange:
    """Its web server and stream server, and API keys that nobody has used yet."""

    environment: dict[str, str]
    keys: list[str]
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.environment["PORT"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        """Start ``web`` or ``stream`` and return when it answers."""
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", f"exchange_poc.{name}"],
            cwd=PROJECT_ROOT,
            env=self.environment,
            start_new_session=True,
            text=True,
        )
        address = ("127.0.0.1", int(self.environment[PORTS[name]]))
        wait_for(lambda: accepts(address), what=name, seconds=90)

    def kill(self, name: str) -> None:
        end_group(self.processes.pop(name))


@pytest.fixture(scope="module")
def exchange(
    restore_database: Restore,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exchange]:
    file = tmp_path_factory.mktemp("keys") / "keys.csv"
    ports = {name: str(free_port()) for name in PORTS.values()}
    size = {"WEB_WORKERS": "1", "WEB_THREADS": "4"}
    with django_db_blocker.unblock():
        # These tests read inside a transaction; what the exchange sees is committed here.
        call_command("seed_demo", verbosity=0)
        call_command("add_traders", count=TRADERS, balance=D(10_000), keys=file, verbosity=0)
        with file.open(newline="") as rows:
            keys = [row["api_key"] for row in csv.DictReader(rows)]
        exchange = Exchange(environment_of_processes() | ports | size, keys)
        try:
            exchange.start("web")
            exchange.start("stream")
            yield exchange
        finally:
            for name in list(exchange.processes):
                exchange.kill(name)
            restore_database()


@pytest.fixture(autouse=True)
def no_endless_wait() -> Iterator[None]:
    """End a test whose stream never says what it waits for: a stream has no end of its own."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"nothing came within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def front(exchange: Exchange) -> Iterator[Front]:
    front = Front(exchange.port)
    yield front
    front.close()


def load_example(name: str) -> ModuleType:
    """Import an example, which is part of no package."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """``docs/examples/client.py``."""
    return load_example("client")


ClientOf = Callable[..., Any]


@pytest.fixture
def client_of(example: ModuleType, exchange: Exchange) -> ClientOf:
    """Return the client of a trader who has done nothing yet: ``client_of(front.url)``."""

    def create(url: str = exchange.url) -> Any:
        return example.Client(exchange.keys.pop(), url, patience=30)

    return create


def committed(act: Callable[[], T]) -> T:
    """Do something beside the test's transaction, where the running exchange sees it."""

    def do() -> T:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(do).result()


@pytest.fixture
def start_example(exchange: Exchange) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a program on the exchange, as a trader: ``start_example(key, "agent.py", …)``."""
    started = []

    def start(key: str, *command: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=EXAMPLES,
            env=exchange.environment
            | {"EXCHANGE_URL": exchange.url, "EXCHANGE_KEY": key, "MPLBACKEND": "agg"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        end_group(process)
