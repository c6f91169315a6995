"""A web server as ``make run`` starts it, and one that serves a small application."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import pytest

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from exchange_poc.web.server import UNTAKEN_SECONDS
from tests.system.deployment.processes import end_group, free_port, get
from tests.system.trials.conftest import environment, environment_of_processes
from tests.system.web.client import Address, opened
from tests.waiting import wait_for

__all__ = ["environment"]

Run = Callable[..., subprocess.Popen[str]]
Server = tuple[subprocess.Popen[str], Address]
Start = Callable[..., Server]

#: What a process of the small application's server runs: application() by the gateway.
PROGRAM = """
from exchange_poc.logs import configure_structlog
from exchange_poc.web import long_answer, server
from exchange_poc.web.gateway import Gateway
from exchange_poc.web.server import serve
configure_structlog()
server.UNTAKEN_SECONDS = long_answer.PIECE_SECONDS = {untaken}
{application}
def load():
    return Gateway(application, threads=2, longest_body=200_000, close=lambda: None)
if __name__ == "__main__":
    serve(load, host="{host}", port={port}, processes=1)
"""


@contextmanager
def programs(stderr: int | TextIO = subprocess.PIPE) -> Iterator[Run]:
    """Yield what starts a Python program in a session of its own; all end with the block."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT_ROOT,
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)} | environment,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            end_group(process)


@contextmanager
def lasting_programs(paths: pytest.TempPathFactory) -> Iterator[Run]:
    """The same for a fixture of many tests, which read no log."""
    # It goes to a file: a pipe that nobody reads would fill, and block the program.
    with (paths.mktemp("log") / "program.log").open("w") as log, programs(log) as run:
        yield run


@pytest.fixture
def run() -> Iterator[Run]:
    """Start a Python program in a session of its own."""
    with programs() as start:
        yield start


@pytest.fixture
def serve(run: Run, tmp_path: Path) -> Start:
    """Serve an application given as source: ``serve("def application(…): …")``.

    A client that takes nothing for ``untaken`` seconds is left.
    """

    return partial(of_small, run, tmp_path)


def of_small(
    run: Run,
    directory: Path,
    application: str,
    *,
    host: str = "127.0.0.1",
    untaken: int = UNTAKEN_SECONDS,
) -> Server:
    """Serve a small application with one process of two threads."""
    address = (host, free_port())
    program = directory / "program.py"
    source = PROGRAM.format(application=application, host=host, port=address[1], untaken=untaken)
    program.write_text(source)
    process = run(program)
    wait_for(lambda: accepts(address), what="the server")
    return process, address


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    return tmp_path / "metrics"


def of_exchange(
    run: Run, metrics: Path, program: str = "exchange_poc.web", **environment: str
) -> Server:
    """Serve the exchange with two processes of four threads."""
    port = free_port()
    own = {"PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    size = {"WEB_WORKERS": "2", "WEB_THREADS": "4"}
    process = run("-m", program, **own | size | environment)
    wait_for(lambda: get(f"http://127.0.0.1:{port}/health"), what="the server", seconds=60)
    return process, ("127.0.0.1", port)


@pytest.fixture
def exchange(environment: dict[str, str], run: Run, metrics: Path) -> Start:
    """Start a web server of its own: ``exchange(TOKEN_RATE_LIMIT="2/h")``."""
    return lambda *program, **settings: of_exchange(
        run, metrics, *program, **environment | settings
    )


@pytest.fixture(scope="module")
def lasting(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One web server for all tests of a file that leave it, and its processes, running."""
    yield from lasting_server(tmp_path_factory)


def lasting_server(paths: pytest.TempPathFactory, **settings: str) -> Iterator[Server]:
    """Start a web server and yield it once, for a fixture of many tests."""
    own = environment_of_processes() | settings
    with lasting_programs(paths) as run:
        yield of_exchange(run, paths.mktemp("metrics"), **own)


def accepts(address: Address) -> bool:
    try:
        opened(address).close()
    except OSError:
        return False
    return True
