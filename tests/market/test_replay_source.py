"""Candles are read from CSV as they stand, or refused with file and line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from market.sources.replay import ReplayError, merged_steps, read_candles

HEADER = "open_time,open,high,low,close,volume\n"
FIRST = "2025-10-10T21:00:00Z,100,110,90,105,1\n"
SECOND = "2025-10-10T21:05:00Z,105,106,80,81,1\n"


def csv_file(folder: Path, text: str, name: str = "btc.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_closes_of_two_symbols_are_lined_up_in_time(tmp_path: Path) -> None:
    btc = csv_file(tmp_path, HEADER + FIRST + SECOND)
    eth = csv_file(tmp_path, HEADER + "1760130300000,10,11,9,10.5,1\n", "eth.csv")
    steps = list(merged_steps({"BTCUSDT": btc, "ETHUSDT": eth}, path="close"))
    assert [step.prices for step in steps] == [
        {"BTCUSDT": Decimal(105)},
        {"BTCUSDT": Decimal(81), "ETHUSDT": Decimal("10.5")},
    ]
    assert steps[1].time == datetime(2025, 10, 10, 21, 5, tzinfo=UTC)


def test_a_candle_can_be_walked_through(tmp_path: Path) -> None:
    btc = csv_file(tmp_path, HEADER + FIRST + SECOND)
    prices = [step.prices["BTCUSDT"] for step in merged_steps({"BTCUSDT": btc}, path="ohlc")]
    assert prices == [100, 90, 110, 105, 105, 106, 80, 81]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "columns close, high, low, open, open_time are missing"),
        ("open_time,open,high,low\n", "columns close are missing"),
        (HEADER + FIRST + FIRST, "line 3: time does not increase"),
        (HEADER + SECOND + FIRST, "line 3: time does not increase"),
        (HEADER + "soon,1,1,1,1,1\n", "line 2: not a candle"),
        (HEADER + "9" * 30 + ",1,1,1,1,1\n", "line 2: not a candle"),
        (HEADER + "2025-10-10T21:00:00Z,1,1,1\n", "line 2: not a candle"),
        (HEADER + "2025-10-10T21:00:00Z,1,x,1,1,1\n", "line 2: not a candle"),
        (HEADER + "2025-10-10T21:00:00Z,0,1,0,1,1\n", "line 2: prices must be positive"),
        (HEADER + "2025-10-10T21:00:00Z,NaN,1,1,1,1\n", "line 2: prices must be positive"),
        (HEADER + "2025-10-10T21:00:00Z,5,4,1,2,1\n", "between low and high"),
    ],
)
def test_a_file_that_is_no_history_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ReplayError, match=complaint):
        list(read_candles("BTCUSDT", csv_file(tmp_path, text)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"none\.csv cannot be read"):
        list(read_candles("BTCUSDT", tmp_path / "none.csv"))
