"""A study's tapes and accounts are read before anything is started."""

from pathlib import Path

import pytest

from kpi.lab.errors import StudyError
from kpi.lab.inputs.checked import read_inputs
from tests.kpi.lab.files import candle_file, candle_rows, study_in, write_rows


def test_each_variant_is_read(tmp_path: Path) -> None:
    study = study_in(tmp_path, "[[variant]]\npath = 'close'")
    assert [(one.name, len(tape.times)) for one, tape in read_inputs(study)] == [
        ("ohlc", 16),
        ("close", 4),
    ]


def test_a_gap_and_an_account_that_cannot_be_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "BTCUSDT.csv", [*candle_rows()[:2], candle_rows()[3]])
    with pytest.raises(StudyError, match=r"BTCUSDT.csv, line 4: a gap"):
        list(read_inputs(study_in(tmp_path)))
    candle_file(tmp_path)
    (tmp_path / "people.csv").write_text("account\n")
    study = study_in(tmp_path, "[population]\nkind = 'file'\nfile = 'people.csv'")
    with pytest.raises(StudyError, match=r"people.csv, line 1: the columns are"):
        list(read_inputs(study))


def test_impact_asks_for_volume(tmp_path: Path) -> None:
    candle_file(tmp_path, volume=",0")
    assert list(read_inputs(study_in(tmp_path)))
    with pytest.raises(StudyError, match=r"\[impact\] mode: the candles of BTCUSDT have no volume"):
        list(read_inputs(study_in(tmp_path, "[impact]\nmode = 'absolute'")))
