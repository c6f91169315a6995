"""Runs that are stopped, killed, resumed: no cell is computed twice, no digit differs."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from django.db import connection

from kpi.lab.models import CellState, LabCell
from tests.system.deployment.processes import wait_for
from tests.system.lab.conftest import Lab, Written, said


def digests() -> Mapping[str, str]:
    return dict(LabCell.objects.filter(state=CellState.DONE).values_list("key", "digest"))


def forget() -> None:
    """Delete what the lab keeps, past its guards."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET session_replication_role = replica;"
            "DELETE FROM kpi_labstudycell; DELETE FROM kpi_labstudy; DELETE FROM kpi_labcell;"
            "SET session_replication_role = origin"
        )


def await_done(least: int, run: subprocess.Popen[str]) -> None:
    """Wait until a run that goes on has so many cells."""

    def has_come() -> bool:
        assert run.poll() is None, run.communicate()
        return len(digests()) >= least

    wait_for(has_come, what=f"{least} cells", seconds=240)


def test_cells_are_the_same_with_one_process_and_two(lab: Lab, study: Written) -> None:
    told = said(lab("run", study(), "--processes", "1"))
    assert "6 cells, 0 done already, 6 to compute" in told
    assert "Computed 6, reused 0" in told
    assert "Compared with seed" in told
    one = digests()
    assert len(one) == 6
    assert "Computed 0, reused 6" in said(lab("run", study()))
    forget()
    said(lab("run", study(), "--processes", "2"))
    assert digests() == one


def test_a_killed_run_loses_the_cells_in_flight_alone(lab: Lab, study: Written) -> None:
    path = study(seeds=6, accounts=2_000)
    killed = lab("run", path)
    await_done(2, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(timeout=60)
    kept = digests()
    assert len(kept) < 18
    told = said(lab("resume", path))
    assert f"18 cells, {len(kept)} done already, {18 - len(kept)} to compute" in told
    resumed = digests()
    assert len(resumed) == 18
    assert kept.items() <= resumed.items()
    forget()
    said(lab("run", path))
    assert digests() == resumed


def test_a_stopped_run_says_how_to_go_on(lab: Lab, study: Written) -> None:
    path = study(seeds=6, accounts=2_000)
    stopped = lab("run", path)
    await_done(1, stopped)
    stopped.send_signal(signal.SIGINT)
    assert "Stopped:" in (told := said(stopped, status=130))
    assert "computes the rest" in told
    assert not LabCell.objects.filter(state=CellState.RUNNING).exists()
    assert "Computed" in said(lab("resume", "crash"))
    assert len(digests()) == 18


def test_a_killed_process_of_a_run_costs_one_cell(lab: Lab, study: Written) -> None:
    path = study(seeds=6, accounts=2_000)
    run = lab("run", path, "--processes", "1")
    await_done(1, run)
    [hand] = [
        child
        for child in psutil.Process(run.pid).children()
        if "spawn_main" in " ".join(child.cmdline())
    ]
    hand.kill()
    assert "1 cells failed" in said(run, status=1)
    assert len(digests()) == 17
    assert "17 done already, 1 to compute" in said(lab("resume", path))


def test_a_study_is_listed_shown_and_its_events_printed(lab: Lab, study: Written) -> None:
    path = study(seeds=1)
    assert "No study yet" in said(lab("list"))
    assert "3 cells" in said(lab("check", path))
    said(lab("run", path))
    assert "crash" in said(lab("list"))
    shown = said(lab("show", path))
    assert "3 of 3 cells done" in shown
    assert "seed (baseline)" in shown
    assert "Liquidated notional" in said(lab("compare", "crash"))
    header, *rows = said(lab("events", path, "--policy", "none")).splitlines()
    assert header == (
        "policy,seed,account,step,time,symbol,side,size,mark,balance_before,equity_before,"
        "margin_before,fee,insurance_paid,bad_debt,balance_after"
    )
    assert {row.split(",")[0] for row in rows} <= {"none"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("run", "nothing.toml"), "nothing.toml"),
        (("show", "nothing"), "There is no study 'nothing'"),
        (("resume", "STUDY"), "has not been run yet"),
        (("run", "STUDY", "BTCUSDT"), "is not of the form SYMBOL=FILE"),
        (("events", "STUDY", "--policy", "other"), "it has seed, esma, none"),
    ],
)
def test_bad_input_is_one_line(
    lab: Lab, study: Written, arguments: tuple[str, ...], complaint: str
) -> None:
    path = study()
    told = said(lab(*(path if one == "STUDY" else one for one in arguments)), status=1)
    assert complaint in told
    assert "Traceback" not in told
    assert not LabCell.objects.exists()


def test_a_quick_run_is_a_small_study_of_its_own(lab: Lab, study: Written) -> None:
    path = study(seeds=4)
    assert "6 cells" in said(lab("run", path, "--quick"))
    assert "6 of 6" in said(lab("list"))
    assert "6 done already" in said(lab("resume", "crash (quick)"))
    assert isinstance(path, Path)
