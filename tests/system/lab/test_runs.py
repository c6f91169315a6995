"""Runs that are stopped, killed, resumed: no cell is computed twice, no digit differs.

What ends early is a process of its own; this one goes on with its study.
"""

import os
import signal
import subprocess

import psutil

from kpi.lab.models import CellState, LabCell
from tests.kpi.lab.test_command import digests, forget
from tests.kpi.lab.test_command import lab as here
from tests.system.lab.conftest import Lab, Written, said
from tests.waiting import wait_for


def await_done(least: int, run: subprocess.Popen[str]) -> None:
    """Wait until a run that goes on has so many cells."""

    def has_come() -> bool:
        assert run.poll() is None, run.communicate()
        return len(digests()) >= least

    wait_for(has_come, what=f"{least} cells", seconds=240)


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


def test_a_stopped_run_says_how_to_go_on(lab: Lab, study: Written) -> None:
    path = study(seeds=4, accounts=1_000)
    stopped = lab("run", path, "--processes", "1")
    await_done(1, stopped)
    stopped.send_signal(signal.SIGINT)
    assert "Stopped:" in (told := said(stopped, status=130))
    assert "computes the rest" in told
    assert not LabCell.objects.filter(state=CellState.RUNNING).exists()
    assert "Computed" in here("resume", "crash", "--processes", "1")
    assert len(digests()) == 12


def test_a_killed_process_of_a_run_costs_one_cell(lab: Lab, study: Written) -> None:
    path = study(seeds=4, accounts=1_000)
    run = lab("run", path, "--processes", "1")
    await_done(1, run)
    [hand] = [
        child
        for child in psutil.Process(run.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    hand.kill()
    assert "1 cells failed" in said(run, status=1)
    assert len(digests()) == 11
    assert "11 done already, 1 to compute" in here("resume", path, "--processes", "1")


def test_a_database_that_is_gone_is_told_in_one_line(lab: Lab, study: Written) -> None:
    told = said(lab("run", study(), DATABASE_URL="postgresql://127.0.0.1:1/none"), status=1)
    assert told.splitlines()[-1].startswith("CommandError: The database: "), told
    assert "Traceback" not in told
