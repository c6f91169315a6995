"""The entry point: fresh metrics, signals for the command, metrics of what speaks no HTTP."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.deployment.files import DOCKER
from tests.system.deployment.processes import end_group, free_port, get
from tests.waiting import wait_for

Start = Callable[..., subprocess.Popen[str]]

COUNT_IN_TWO_PROCESSES = """
import os, prometheus_client
jobs = prometheus_client.Counter("jobs_total", "Jobs.")
jobs.inc()
if os.fork() == 0:
    jobs.inc()
    os._exit(0)
os.wait()
print("counted", flush=True)
input()
"""


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def start(metrics: Path) -> Iterator[Start]:
    """Run the entry point with a command: ``start("ls", METRICS_BIND=…)``."""
    started = []

    def run(*command: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [DOCKER / "entrypoint.sh", *command],
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "PROMETHEUS_MULTIPROC_DIR": str(metrics),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        end_group(process)


def test_it_creates_the_metrics_directory(start: Start, metrics: Path) -> None:
    assert start("true").wait(10) == 0
    assert metrics.is_dir()


def test_it_forgets_the_metrics_of_the_last_run_only(start: Start, metrics: Path) -> None:
    metrics.mkdir()
    (metrics / "counter_7.db").touch()
    (metrics / "notes").touch()
    output, _ = start("ls", str(metrics)).communicate(timeout=10)
    assert output.split() == ["notes"]


def test_the_command_takes_its_place_and_its_signals(start: Start) -> None:
    process = start("sh", "-c", "trap 'exit 7' TERM; echo $$; read line")
    assert process.stdout is not None
    assert int(process.stdout.readline()) == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 7


def test_arguments_arrive_as_they_are(start: Start) -> None:
    output, _ = start("printf", "%s|", "two words", "$HOME", "").communicate(timeout=10)
    assert output == "two words|$HOME||"


def test_metrics_are_served_summed_over_processes(start: Start) -> None:
    bind = f"127.0.0.1:{free_port()}"
    process = start(sys.executable, "-c", COUNT_IN_TWO_PROCESSES, METRICS_BIND=bind)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    answer = wait_for(lambda: get(f"http://{bind}/metrics"), what="the metrics server")
    assert "jobs_total 2.0" in answer.splitlines()
