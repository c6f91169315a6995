"""One running exchange for all tests of a file, with traders who have keys, and the client."""

import csv
import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from tests.system.deployment.processes import end_group, free_port, get, wait_for
from tests.system.trials.conftest import environment_of_processes

T = TypeVar("T")
EXAMPLES = PROJECT_ROOT / "docs/examples"


#: As many traders as tests want, all made in one call.
TRADERS = 12


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where it listens, the environment of processes that work on its data, keys not yet used."""

    port: int
    environment: dict[str, str]
    keys: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def exchange(
    restore_database: Restore,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exchange]:
    file = tmp_path_factory.mktemp("keys") / "keys.csv"
    with django_db_blocker.unblock():
        # These tests read inside a transaction; what the exchange sees is committed here.
        call_command("seed_demo", verbosity=0)
        call_command("add_traders", count=TRADERS, balance=D(10_000), keys=file, verbosity=0)
        with file.open(newline="") as rows:
            keys = [row["api_key"] for row in csv.DictReader(rows)]
        exchange = Exchange(free_port(), environment_of_processes(), keys)
        size = {"PORT": str(exchange.port), "WEB_WORKERS": "1", "WEB_THREADS": "4"}
        process = subprocess.Popen(
            [sys.executable, "-m", "exchange_poc.web"],
            cwd=PROJECT_ROOT,
            env=exchange.environment | size,
            start_new_session=True,
            text=True,
        )
        try:
            wait_for(lambda: get(f"{exchange.url}/health"), what="the exchange", seconds=90)
            yield exchange
        finally:
            end_group(process)
            restore_database()


@pytest.fixture
def front(exchange: Exchange) -> Iterator[Front]:
    front = Front(exchange.port)
    yield front
    front.close()


@pytest.fixture(scope="session")
def example() -> ModuleType:
    """``docs/examples/client.py``, which is part of no package."""
    spec = importlib.util.spec_from_file_location("client", EXAMPLES / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["client"] = module
    spec.loader.exec_module(module)
    return module


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


def run_example(exchange: Exchange, *command: str | Path, **settings: str) -> str:
    """Run a Python program beside the examples to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=EXAMPLES,
        env=exchange.environment | {"EXCHANGE_URL": exchange.url} | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
