"""A web server as ``make run`` starts it, and one that serves a small application."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.system.deployment.processes import end_group, free_port, get
from tests.system.trials.conftest import environment
from tests.system.web.client import Address, opened
from tests.waiting import wait_for

__all__ = ["environment"]

Run = Callable[..., subprocess.Popen[str]]
Server = tuple[subprocess.Popen[str], Address]
Start = Callable[..., Server]

#: What a process of the small application's server runs: application() by the gateway.
PROGRAM = """
from exchange_poc.web.gateway import Gateway
from exchange_poc.web.server import serve
{application}
def load():
    return Gateway(application, threads=2, longest_body=200_000, close=lambda: None)
if __name__ == "__main__":
    serve(load, host="127.0.0.1", port={port}, processes=1)
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        end_group(process)


@pytest.fixture
def run(started: list[subprocess.Popen[str]]) -> Run:
    """Start a Python program in a session of its own."""

    def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT_ROOT,
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)} | environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    return start


@pytest.fixture
def serve(run: Run, tmp_path: Path) -> Start:
    """Serve an application given as source: ``serve("def application(…): …")``."""

    def start(application: str) -> Server:
        address = ("127.0.0.1", free_port())
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(application=application, port=address[1]))
        process = run(program)
        wait_for(lambda: accepts(address), what="the server")
        return process, address

    return start


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    return tmp_path / "metrics"


@pytest.fixture
def exchange(environment: dict[str, str], run: Run, metrics: Path) -> Start:
    """Serve the exchange with two processes of four threads: ``exchange(DJANGO_HTTPS="1")``."""

    def start(**settings: str) -> Server:
        port = free_port()
        own = {"PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        size = {"WEB_WORKERS": "2", "WEB_THREADS": "4"}
        process = run("-m", "exchange_poc.web", **environment | own | size | settings)
        wait_for(lambda: get(f"http://127.0.0.1:{port}/health"), what="the server", seconds=60)
        return process, ("127.0.0.1", port)

    return start


@pytest.fixture
def server(exchange: Start) -> Server:
    return exchange()


def accepts(address: Address) -> bool:
    try:
        opened(address).close()
    except OSError:
        return False
    return True
