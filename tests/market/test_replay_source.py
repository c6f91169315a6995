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
        ("", "line 1: no column open_time, open, high, low, close"),
        ("open_time,open,high,low\n", "line 1: no column close"),
        (HEADER + FIRST + FIRST, "line 3: time does not increase"),
        (HEADER + SECOND + FIRST, "line 3: time does not increase"),
        (HEADER + "soon,1,1,1,1,1\n", "line 2: open_time 'soon' is neither"),
        (
            HEADER + "1759959600000000,1,1,1,1,1\n",
            "line 2: open_time '1759959600000000' is neither",
        ),
        (HEADER + "9" * 5000 + ",1,1,1,1,1\n", "line 2: open_time '9+' is neither"),
        (HEADER + "2025-10-10T21:00:00Z,1,1,1\n", "line 2: close '' is no number"),
        (HEADER + "2025-10-10T21:00:00Z,1,x,1,1,1\n", "line 2: high 'x' is no number"),
        (HEADER + "2025-10-10T21:00:00Z,0,1,0,1,1\n", "line 2: open must be positive, not 0"),
        (HEADER + "2025-10-10T21:00:00Z,NaN,1,1,1,1\n", "line 2: open must be positive, not NaN"),
        (HEADER + "2025-10-10T21:00:00Z,5,4,1,2,1\n", "line 2: open and close must lie between"),
        (HEADER + FIRST + '2025-10-10T21:05:00Z,"1"0,4,1,2,1\n', "after line 2: "),
    ],
)
def test_a_file_that_is_no_history_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ReplayError, match=complaint):
        list(read_candles("BTCUSDT", csv_file(tmp_path, text)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"none\.csv cannot be read"):
        list(read_candles("BTCUSDT", tmp_path / "none.csv"))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "btc.csv"
    file.write_bytes(HEADER.encode() + b"\xff\xfe\x00")
    with pytest.raises(ReplayError, match=r"btc\.csv is not in UTF-8"):
        list(read_candles("BTCUSDT", file))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    file = tmp_path / "btc.csv"
    file.write_bytes(b"\xef\xbb\xbf" + (HEADER + FIRST).encode())
    [candle] = read_candles("BTCUSDT", file)
    assert candle.close == Decimal(105)


@pytest.mark.parametrize(
    "text",
    ["2025-10-10T21:00:00Z", "2025-10-10 21:00:00", "2025-10-10T23:00:00+02:00", "1760130000000"],
)
def test_a_time_is_read_as_utc(tmp_path: Path, text: str) -> None:
    [candle] = read_candles("BTCUSDT", csv_file(tmp_path, HEADER + text + ",1,1,1,1,1\n"))
    assert candle.open_time.isoformat() == "2025-10-10T21:00:00+00:00"
