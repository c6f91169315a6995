"""The verbs of ``lab``: what they print, what they refuse, and that no digit hangs on a process."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from kpi.lab.models import CellState, LabCell, LabStudy
from tests.each import each
from tests.kpi.lab.files import candle_rows, study_in, write_rows
from tests.system.lab.conftest import Written, study

__all__ = ["study"]

pytestmark = pytest.mark.django_db


def lab(*arguments: str | Path) -> str:
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command("lab", *map(str, arguments), stdout=out)
    return out.getvalue()


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


@pytest.mark.django_db(transaction=True)
def test_cells_are_the_same_with_one_process_and_two(
    study: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one computes those of a quick run, which is a small study of its own."""
    told = lab("run", study(seeds=4), "--quick", "--processes", "1")
    assert "6 cells, 0 done already, 6 to compute" in told
    assert "Computed 6, reused 0" in told
    assert "Compared with seed" in told
    assert "6 of 6" in lab("list")
    one = digests()
    assert len(one) == 6
    path = study(seeds=2)
    with monkeypatch.context() as patch:
        patch.setattr("multiprocessing.spawn._python_exe", b"\0")  # no process can be started
        assert "6 done already" in lab("resume", "crash (quick)")
        assert "Computed 0, reused 6" in lab("run", path)
    forget()
    lab("run", path, "--processes", "2")
    assert digests() == one


def test_a_study_is_listed_shown_exported_and_resumed_and_its_events_printed(
    study: Written, tmp_path: Path
) -> None:
    path = study(seeds=1)
    assert "No study yet" in lab("list")
    assert "3 policies × 1 seed × 1 variant, 3 cells" in lab("check", path)
    written = lab("run", path, "--processes", "1", "--out", tmp_path / "out")
    assert str(tmp_path / "out" / "report.html") in written
    assert (tmp_path / "out" / "cells.parquet").exists()
    assert "crash" in lab("list")
    shown = lab("show", path)
    assert "3 of 3 cells done" in shown
    assert "seed (baseline)" in shown
    compared = lab("compare", "crash")
    assert "Mean differences to seed [95 % interval], p (Holm); prices read as: ohlc." in compared
    assert "Liquidated notional" in compared
    assert "cells.csv" in lab("export", "crash", "--out", tmp_path / "tables")
    assert "report.html" in lab("report", "crash", "--out", tmp_path / "again")
    for one in ("report.html", "manifest.json"):
        first, again = ((tmp_path / out / one).read_bytes() for out in ("out", "again"))
        assert again == first, "the same study gives the same bytes"
    header, *rows = lab("events", path, "--policy", "none").splitlines()
    assert header == (
        "policy,seed,account,step,time,symbol,side,size,mark,balance_before,equity_before,"
        "margin_before,fee,insurance_paid,bad_debt,balance_after"
    )
    assert {row.split(",")[0] for row in rows} <= {"none"}
    a_disk_that_takes_no_table_is_told_in_one_line(path, tmp_path / "full")
    a_study_whose_tape_changed_is_not_resumed(path)


def a_disk_that_takes_no_table_is_told_in_one_line(path: Path, out: Path) -> None:
    (out / "cells.parquet").mkdir(parents=True)
    with pytest.raises(CommandError, match=r"^\S*cells.parquet cannot be written: ") as refusal:
        lab("export", path, "--out", out)
    assert "\n" not in str(refusal.value)


def a_study_whose_tape_changed_is_not_resumed(path: Path) -> None:
    path.write_text(path.read_text().replace("bars = 288", "bars = 300"))
    with pytest.raises(CommandError, match="has not been run yet"):
        lab("resume", path)
    assert "3 done already" in lab("resume", "crash")


@each(
    ("arguments", "complaint"),
    [
        (("run", "nothing.toml"), "nothing.toml: it cannot be read"),
        (("show", "nothing"), "There is no study 'nothing'"),
        (("resume", "STUDY"), "has not been run yet"),
        (("run", "STUDY", "BTCUSDT"), "is not of the form SYMBOL=FILE"),
        (("run", "nothing", "BTCUSDT=x.csv"), "a stored study has its own"),
        (("compare", "STUDY"), "crash.toml has not been run yet: lab run"),
        (("events", "STUDY", "--policy", "other"), "it has seed, esma, none"),
        (("events", "STUDY", "--seed", "9" * 30), "is no seed: a whole number from 0 to"),
        (("events", "STUDY", "--seed", "-1"), "is no seed: a whole number from 0 to"),
        (("run", "STUDY", "--processes", "0"), "no whole number from 1 to 64"),
    ],
)
def test_bad_input_is_one_line(study: Written, arguments: tuple[str, ...], complaint: str) -> None:
    path = study()
    with pytest.raises(CommandError) as refusal:
        lab(*(path if one == "STUDY" else one for one in arguments))
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not LabCell.objects.exists()


@each("verb", ["check", "run"])
def test_a_name_that_no_column_holds_starts_nothing(study: Written, verb: str) -> None:
    path = study()
    path.write_text(path.read_text().replace('name = "none"', f'name = "{"x" * 201}"'))
    with pytest.raises(CommandError, match="is too long: a name has 200 characters"):
        lab(verb, path)
    assert not LabStudy.objects.exists()


@each("verb", ["check", "run"])
def test_a_file_of_candles_with_a_gap_starts_nothing(
    study: Written, tmp_path: Path, verb: str
) -> None:
    rows = candle_rows()
    file = write_rows(tmp_path / "btc.csv", [*rows[:2], rows[3]])
    with pytest.raises(CommandError, match=r"btc.csv, line 4: a gap: .*; add what is missing.$"):
        lab(verb, study(), f"BTCUSDT={file}")
    assert not LabStudy.objects.exists()
    assert not LabCell.objects.exists()


def test_no_name_among_events_is_a_formula(tmp_path: Path) -> None:
    write_rows(tmp_path / "BTCUSDT.csv", candle_rows(["100,100,100,100", "100,100,60,60"]))
    header = "account,tier,balance,symbol,side,size,leverage,entered_at"
    entry = "@a,beginner,30,BTCUSDT,long,1,5,2025-10-10T00:00:00Z"
    write_rows(tmp_path / "accounts.csv", [entry], header=header)
    text = 'population = { kind = "file", file = "accounts.csv" }\npolicy = [{ name = "=p" }]'
    study_in(tmp_path, text)
    _, row = lab("events", tmp_path / "study.toml").splitlines()
    assert row.startswith("'=p,1,'@a,")
    assert row.endswith(
        "30.00000000,-10.00000000,20.00000000,0.00000000,10.00000000,0.00000000,0.00000000"
    )
