"""A supervised process comes back when it dies and takes its children with it when stopped."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange_poc.launcher import service as service_module
from exchange_poc.launcher.processes import command_of, wait_while
from exchange_poc.launcher.service import Service

PARENT = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(str(child.pid))
path.with_suffix(".new").rename(path)
time.sleep(60)
"""


def watched_until(service: Service, condition: Callable[[], bool]) -> bool:
    def pending() -> bool:
        service.watch()
        return not condition()

    wait_while(pending, 10)
    return condition()


def test_a_dead_process_is_started_again_after_growing_pauses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = Service("probe", (sys.executable, "-c", "raise SystemExit(3)"), patience=1)
    assert watched_until(service, lambda: service.failures == 2)
    service.stop()
    assert capsys.readouterr().err.splitlines() == [
        "exchange-poc: probe ended with status 3: next start in 0.5 s",
        "exchange-poc: probe ended with status 3: next start in 1 s",
    ]


def test_a_process_that_had_settled_starts_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "SETTLED", 0.0)
    service = Service("probe", (sys.executable, "-c", ""), patience=1)
    service.failures = 7
    assert watched_until(service, lambda: service.failures == 1)
    service.stop()


def test_stopping_leaves_no_child_behind(tmp_path: Path) -> None:
    report = tmp_path / "child"
    service = Service("probe", (sys.executable, "-c", PARENT, str(report)), patience=5)
    assert watched_until(service, report.exists)
    child = int(report.read_text())
    # A program that has just replaced its parent's copy has no command line for a moment.
    wait_while(lambda: command_of(child) == "", 10)
    assert command_of(child)
    service.stop()
    wait_while(lambda: command_of(child) != "", 5)
    assert command_of(child) == ""
