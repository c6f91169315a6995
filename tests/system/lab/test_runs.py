"""Runs that are stopped, killed, resumed: no cell is computed twice, no digit differs.

What is killed is a process of its own; what is stopped runs here.
"""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

import pytest
from django.core.management import CommandError
from django.db import connection

from kpi.lab.models import CellState, LabCell
from tests.kpi.lab.test_command import digests, forget
from tests.kpi.lab.test_command import lab as here
from tests.system.lab.conftest import Lab, Written, interrupted, said
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def await_done(least: int, run: subprocess.Popen[str]) -> None:
    """Wait until a run that goes on has so many cells."""

    def has_come() -> bool:
        assert run.poll() is None, run.communicate()
        return len(digests()) >= least

    wait_for(has_come, what=f"{least} cells", seconds=240)


@contextmanager
def hand_killed_after_a_cell() -> Iterator[None]:
    """Kill a process that computes cells in the midst of a run, which the block is."""
    others = set(multiprocessing.active_children())

    def kill() -> None:
        try:
            wait_for(digests, what="a cell", seconds=240)
            hand, *_ = set(multiprocessing.active_children()) - others
            hand.kill()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        killing = thread.submit(kill)
        yield
        killing.result()


def test_a_killed_run_loses_the_cells_in_flight_alone(lab: Lab, study: Written) -> None:
    path = study(seeds=4, accounts=1_000)
    killed = lab("run", path)
    await_done(2, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(timeout=60)
    kept = digests()
    assert len(kept) < 12
    told = here("resume", path, "--processes", "1")
    assert f"12 cells, {len(kept)} done already, {12 - len(kept)} to compute" in told
    resumed = digests()
    assert len(resumed) == 12
    assert kept.items() <= resumed.items()
    forget()
    here("run", path, "--processes", "1")
    assert digests() == resumed


def test_a_stopped_run_says_how_to_go_on(study: Written) -> None:
    """While one process is at a cell, and when that of another has just failed."""
    path = study(seeds=4, accounts=1_000)
    with (
        interrupted("ended with status -9"),
        hand_killed_after_a_cell(),
        pytest.raises(CommandError, match=r"^Stopped: .* computes the rest\.$") as stopped,
    ):
        here("run", path, "--processes", "2")
    assert stopped.value.returncode == 130
    assert not LabCell.objects.filter(state=CellState.RUNNING).exists()
    assert "Computed" in here("resume", "crash", "--processes", "1")
    assert len(digests()) == 12


def test_a_killed_process_of_a_run_costs_one_cell(
    study: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one process computes then, however many might."""
    path = study(seeds=4, accounts=1_000)
    with (
        hand_killed_after_a_cell(),
        pytest.raises(CommandError, match=r"^1 cells failed; .* ended with status -9\.$"),
    ):
        here("run", path, "--processes", "1")
    assert len(digests()) == 11
    started = starts(monkeypatch)
    assert "11 done already, 1 to compute" in here("resume", path, "--processes", "8")
    assert len(started) == 1
    assert len(digests()) == 12


def starts(patch: pytest.MonkeyPatch) -> list[BaseProcess]:
    """Return the list to which each process that is started comes from now on."""
    started: list[BaseProcess] = []
    start = BaseProcess.start

    def noted(process: BaseProcess) -> None:
        started.append(process)
        start(process)

    patch.setattr(BaseProcess, "start", noted)
    return started


def test_a_database_that_is_gone_is_told_in_one_line(lab: Lab, study: Written) -> None:
    told = said(lab("run", study(), DATABASE_URL="postgresql://127.0.0.1:1/none"), status=1)
    assert told.splitlines()[-1].startswith("CommandError: The database: "), told
    assert "Traceback" not in told
