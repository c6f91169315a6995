"""Candles become steps as they stand, or are refused with file and line before anything starts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from kpi.lab.errors import StudyError
from kpi.lab.inputs import tape as tapes
from kpi.lab.inputs.specs import Variant
from kpi.lab.inputs.tape import Tape, read_tape
from tests.each import each
from tests.kpi.lab.files import START, candle_file, candle_rows, study_in, write_rows

TWO = '{ BTCUSDT = "BTCUSDT.csv", ETHUSDT = "ETHUSDT.csv" }'


def tape_of(folder: Path, text: str = "", **facts: str) -> Tape:
    study = study_in(folder, text, **facts)
    return read_tape(study, study.variants[-1])


def prices(tape: Tape) -> list[Decimal]:
    return [int(tick) * tape.instruments.tick[0] for tick in tape.marks[:, 0]]


def variant(text: str) -> str:
    return f"[[variant]]\nname = 'x'\n{text}"


def test_a_rising_bar_goes_down_first_and_a_falling_one_up(tmp_path: Path) -> None:
    tape = tape_of(tmp_path)
    rising, falling = [100, 90, 110, 105], [105, 106, 80, 81]
    assert prices(tape)[:8] == rising + falling
    assert prices(tape)[8:12] == [81, 80, 85, 81]
    assert list(tape.bar) == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert tape.rows == 4
    assert (tape.start, tape.end) == (START, START + timedelta(minutes=20))


def test_the_time_of_each_step_is_when_its_bar_opens(tmp_path: Path) -> None:
    tape = tape_of(tmp_path)
    first = int(START.timestamp())
    assert list(tape.times[[0, 3, 4]]) == [first, first, first + 300]
    asked = np.array([first - 1, first, first + 1, first + 300, first + 900, first + 901])
    assert list(tape.step_at(asked)) == [0, 0, 4, 4, 12, 16]


def test_closes_alone_are_a_step_a_bar(tmp_path: Path) -> None:
    assert prices(tape_of(tmp_path, variant("path = 'close'"))) == [105, 81, 81, 83]


def test_sub_steps_are_points_on_the_line_to_the_nearest_tick(tmp_path: Path) -> None:
    candle_file(tmp_path, bars=("1,1,1,1", "1,1.07,1,1.07"))
    tape = tape_of(tmp_path, variant("sub_steps = 3"))
    assert prices(tape)[10:] == [
        1, 1, 1, 1, Decimal("1.02"), Decimal("1.05"), Decimal("1.07"), *[Decimal("1.07")] * 3
    ]  # fmt: skip
    assert list(tape.bar[9:11]) == [0, 1]


def test_a_tape_that_takes_too_much_memory_is_refused_with_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = len(tape_of(tmp_path, variant("sub_steps = 3")).marks)
    monkeypatch.setattr(tapes, "MOST_MARKS", steps)
    tapes.tape_of.cache_clear()
    assert len(tape_of(tmp_path, variant("sub_steps = 3")).marks) == steps
    with pytest.raises(StudyError, match=r"steps of 1 symbols take .* MB.*fewer sub_steps"):
        tape_of(tmp_path, variant("sub_steps = 4"))


def test_sub_steps_of_closes_lead_from_one_to_the_next(tmp_path: Path) -> None:
    tape = tape_of(tmp_path, variant("path = 'close'\nsub_steps = 2"))
    assert prices(tape) == [Decimal("102.5"), 105, 93, 81, 81, 81, 82, 83]


def test_bars_are_merged_and_the_last_may_be_made_of_fewer(tmp_path: Path) -> None:
    tape = tape_of(tmp_path, variant("aggregate = 3"))
    assert prices(tape) == [100, 110, 80, 81, 82, 82, 84, 83]
    assert list(np.unique(tape.times)) == [START.timestamp(), START.timestamp() + 900]
    assert tape.end == START + timedelta(minutes=20)
    assert list(tape.volume[:, 0]) == [2 * (105 + 81 + 81), 2 * 83]


def test_volume_is_worth_its_close_and_may_be_missing(tmp_path: Path) -> None:
    assert list(tape_of(tmp_path).volume[:, 0]) == [210, 162, 162, 166]
    write_rows(tmp_path / "BTCUSDT.csv", candle_rows(volume=""), "open_time,open,high,low,close")
    assert not tape_of(tmp_path).volume.any()


def test_a_public_file_without_a_header_has_its_volume_too(tmp_path: Path) -> None:
    rows = ["1759276800000,100,110,90,105,2,1759277099999,210,9,1,105,0",
            "1759277100000,105,106,80,81,2,1759277399999,162,9,1,81,0"]  # fmt: skip
    (tmp_path / "BTCUSDT.csv").write_text("\n".join(rows))
    tape = tape_of(tmp_path)
    assert tape.start == datetime(2025, 10, 1, tzinfo=UTC)
    assert list(tape.volume[:, 0]) == [210, 162]


def test_two_symbols_go_by_the_times_that_both_have(tmp_path: Path) -> None:
    candle_file(tmp_path, "BTCUSDT")
    candle_file(tmp_path, "ETHUSDT", start=START + timedelta(minutes=10))
    tape = tape_of(tmp_path, files=TWO)
    assert tape.instruments.symbols == ("BTCUSDT", "ETHUSDT")
    assert tape.rows == 2
    assert tape.start == START + timedelta(minutes=10)
    assert [int(mark) for mark in tape.marks[0]] == [8100, 10000]


def test_a_tape_can_be_cut(tmp_path: Path) -> None:
    candle_file(tmp_path)
    text = (
        "[tape]\nfiles = { BTCUSDT = 'BTCUSDT.csv' }\n"
        "start = 2025-10-10T00:05:00Z\nend = 2025-10-10T00:15:00Z"
    )
    tape = tape_of(tmp_path, text)
    assert prices(tape)[0] == 105
    assert (tape.start, tape.end) == (START + timedelta(minutes=5), START + timedelta(minutes=15))


GOOD = candle_rows()


@each(("rows", "complaint"), [
        (GOOD[:1], r"BTCUSDT.csv: a tape has two rows at least"),
        ([GOOD[0], GOOD[2], GOOD[3]], r"csv, line 3: a gap: bars are 0:05:00 long, but none opens "
         "at 2025-10-10T00:05:00Z"),
        ([GOOD[0], GOOD[1], GOOD[1]], r"csv, line 4: a duplicate: 2025-10-10T00:05:00Z twice"),
        ([GOOD[1], GOOD[0]], r"csv, line 3: its time is before the row above; sort"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105.001,106,80,81,1"], r"csv, line 3: open 105.001 is no "
         "multiple of the tick size 0.01"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,80,106,81,1"], r"csv, line 3: open and close"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,80,107,1"], r"csv, line 3: open and close must"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,0,81,1"], r"csv, line 3: low must be positive"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,x,81,1"], r"csv, line 3: low 'x' is no number"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,80,2e9,1"], r"csv, line 3: close 2e9 is no"),
        ([GOOD[0], "at noon,105,106,80,81,1"], r"csv, line 3: open_time 'at noon' is neither"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,80,81,x"], r"csv, line 3: volume 'x' is no"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,80,81,-1"], r"csv, line 3: volume is from 0 to"),
        ([GOOD[0], "2025-10-10T00:05:00Z,105,106,80,81,NaN"], r"csv, line 3: volume is from 0 to"),
    ])  # fmt: skip
def test_a_row_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, rows: list[str], complaint: str
) -> None:
    write_rows(tmp_path / "BTCUSDT.csv", rows)
    with pytest.raises(StudyError, match=complaint):
        tape_of(tmp_path)


def test_files_that_do_not_overlap_are_refused(tmp_path: Path) -> None:
    candle_file(tmp_path, "BTCUSDT")
    candle_file(tmp_path, "ETHUSDT", start=START + timedelta(days=1))
    with pytest.raises(StudyError, match=r"no bar is in all files.*: BTCUSDT from 2025-10-10T00"):
        tape_of(tmp_path, files=TWO)
    candle_file(tmp_path, "ETHUSDT", start=START + timedelta(minutes=1))
    with pytest.raises(StudyError, match="no bar is in all files"):
        tape_of(tmp_path, files=TWO)
    candle_file(tmp_path, "ETHUSDT", minutes=1)
    with pytest.raises(StudyError, match=r"ETHUSDT.csv: its bars are 0:01:00 long, those of .*BTC"):
        tape_of(tmp_path, files=TWO)


def test_a_lot_worth_more_than_an_account_may_hold_is_refused(tmp_path: Path) -> None:
    candle_file(tmp_path, "XUSDT", bars=("900000000,900000000,900000000,900000000",) * 2)
    text = "[tape]\nfiles = { XUSDT = 'XUSDT.csv' }\n[[instrument]]\nsymbol = 'XUSDT'\n"
    with pytest.raises(StudyError, match="a lot at 900000000 USDT is worth more"):
        tape_of(tmp_path, f"{text}tick_size = 1\nlot_size = 100")


def test_a_file_that_changed_after_its_study_was_read_is_refused(tmp_path: Path) -> None:
    study = study_in(tmp_path)
    candle_file(tmp_path, bars=("1,1,1,1", "2,2,2,2"))
    with pytest.raises(StudyError, match="changed since the study"):
        read_tape(study, study.variants[0])


def test_a_made_up_crash_needs_no_file_and_is_the_same_everywhere(tmp_path: Path) -> None:
    study = study_in(tmp_path, "[tape]\nkind = 'crash'")
    tape = read_tape(study, study.variants[0])
    assert tape.instruments.symbols == ("BTCUSDT", "ETHUSDT")
    assert tape.marks.shape == (4 * 576, 2)
    first, lowest = tape.marks[0], tape.marks.min(axis=0)
    assert (lowest < 0.9 * first).all()
    assert (tape.volume > 0).all()
    assert [int(mark) for mark in tape.marks[-1]] == [9102323, 364988]
    again = read_tape(replace(study, tape=replace(study.tape)), Variant("again"))
    assert (again.marks == tape.marks).all()
    other = study_in(tmp_path, "[tape]\nkind = 'crash'\ncrash = { seed = 2 }")
    assert other.tape.sha256 != study.tape.sha256
    assert (read_tape(other, other.variants[0]).marks != tape.marks).any()


def test_nobody_can_change_a_tape_that_cells_share(tmp_path: Path) -> None:
    tape = tape_of(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        tape.marks[0] = 1
