"""Candles are read from CSV as they stand, or refused with file and line."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from market.candle_files import read_candles
from market.errors import ReplayError
from market.sources.pace import paced
from market.sources.replay import ReplayStep, check_files, merged_steps
from tests.each import each

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
    rising, falling = [100, 90, 110, 105], [105, 106, 80, 81]
    assert prices == rising + falling


@each(
    ("text", "complaint"),
    [
        ("", "line 1: no column open_time, open, high, low, close"),
        ("open_time,open,high,low\n", "line 1: no column close"),
        (HEADER + FIRST + FIRST, "line 3: time does not increase"),
        (HEADER + SECOND + FIRST, "line 3: time does not increase"),
        (HEADER + "soon,1,1,1,1,1\n", "line 2: open_time 'soon' is neither"),
        (HEADER + "9" * 20 + ",1,1,1,1,1\n", "line 2: open_time '9+' is neither"),
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


@each(
    "text",
    [
        "2025-10-10T21:00:00Z",
        "2025-10-10 21:00:00",
        "2025-10-10T23:00:00+02:00",
        "1760130000000",
        "1760130000000000",
    ],
)
def test_a_time_is_read_as_utc(tmp_path: Path, text: str) -> None:
    [candle] = read_candles("BTCUSDT", csv_file(tmp_path, HEADER + text + ",1,1,1,1,1\n"))
    assert candle.open_time.isoformat() == "2025-10-10T21:00:00+00:00"


#: As data.binance.vision has them, without a header: in milliseconds until 2024, then in micro-.
MILLISECONDS = (
    "1704067200000,42283.58000000,42298.62000000,42261.02000000,42298.61000000,35.92724000,"
    "1704067259999,1519032.34567890,1327,23.18766000,980394.83500000,0\n"
    "1704067260000,42298.62000000,42320.00000000,42298.61000000,42320.00000000,21.16779000,"
    "1704067319999,895580.68000000,1348,13.67379000,578522.10000000,0\n"
)
MICROSECONDS = (
    "1735689600000000,93576.00000000,93610.93000000,93537.50000000,93610.93000000,8.21827000,"
    "1735689659999999,768978.61000000,2631,3.95157000,369757.32000000,0\n"
)


def test_public_files_of_binance_have_no_header(tmp_path: Path) -> None:
    first, second = read_candles("BTCUSDT", csv_file(tmp_path, MILLISECONDS))
    assert (first.open, first.high, first.low, first.close) == tuple(
        Decimal(price) for price in ("42283.58", "42298.62", "42261.02", "42298.61")
    )
    assert first.open_time == datetime(2024, 1, 1, tzinfo=UTC)
    assert second.open_time == datetime(2024, 1, 1, 0, 1, tzinfo=UTC)


def test_public_files_of_binance_count_microseconds_since_2025(tmp_path: Path) -> None:
    [candle] = read_candles("BTCUSDT", csv_file(tmp_path, MICROSECONDS))
    assert (candle.open_time, candle.close) == (
        datetime(2025, 1, 1, tzinfo=UTC),
        Decimal("93610.93"),
    )


#: As it has them of futures since 2022.
FUTURES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore\n"
    "1698364800000,34161.6,34182.5,33977.4,34024.2,409953,1698368399999,1202.97,15095,192220,564,0\n"
)
NEXT_HOUR = FUTURES.replace("1698364800000", "1698368400000")


def zipped(folder: Path, *texts: str, name: str = "BTCUSDT-1h-2023-10-27") -> Path:
    """An archive of as many files as there are texts, as Binance packs them."""
    file = folder / f"{name}.zip"
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{name}-{number}.csv", text)
    return file


@each(
    ("text", "closes"),
    [
        (FUTURES, ["34024.2"]),
        (FUTURES + NEXT_HOUR, ["34024.2", "34024.2"]),
        (FUTURES.replace("open_time,open", "Open time,Open"), ["34024.2"]),
        (MILLISECONDS, ["42298.61", "42320"]),
        (MICROSECONDS, ["93610.93"]),
    ],
)
def test_public_files_are_read_as_they_come(tmp_path: Path, text: str, closes: list[str]) -> None:
    for file in (csv_file(tmp_path, text), zipped(tmp_path, text)):
        read = [candle.close for candle in read_candles("BTCUSDT", file)]
        assert read == [Decimal(close) for close in closes]


def test_an_archive_that_holds_no_history_is_refused(tmp_path: Path) -> None:
    def complaint(file: Path) -> str:
        with pytest.raises(ReplayError) as refused:
            list(read_candles("BTCUSDT", file))
        return str(refused.value)

    assert "holds 2 files; a symbol has one" in complaint(zipped(tmp_path, FUTURES, FUTURES))
    assert "holds 0 files" in complaint(zipped(tmp_path))
    bad_row = zipped(tmp_path, FUTURES + "1698368400000,1,1\n")
    assert "2023-10-27.zip, line 3: low '' is no number" in complaint(bad_row)
    whole = zipped(tmp_path, FUTURES + NEXT_HOUR).read_bytes()
    broken = tmp_path / "broken.zip"
    middle = len(whole) // 3
    for content in (whole[:-30], whole[:middle] + b"????" + whole[middle + 4 :]):
        broken.write_bytes(content)
        assert complaint(broken).endswith("broken.zip is no whole ZIP archive: fetch it again.")
    flags = whole.index(b"PK\x01\x02") + 8
    broken.write_bytes(whole[:flags] + b"\x01" + whole[flags + 1 :])
    assert "is encrypted or packed in an uncommon way" in complaint(broken)


def test_a_bad_row_without_a_header_is_named_too(tmp_path: Path) -> None:
    file = csv_file(tmp_path, MILLISECONDS + "1704067320000,1,1\n")
    with pytest.raises(ReplayError, match="line 3: low '' is no number"):
        list(read_candles("BTCUSDT", file))


@pytest.mark.parametrize("price", ["100.005", "1000000000"])
def test_a_price_that_no_mark_may_have_is_found_before_a_replay(tmp_path: Path, price: str) -> None:
    row = f"2025-10-10T21:05:00Z,{price},{price},{price},{price},1\n"
    file = csv_file(tmp_path, HEADER + FIRST + row)
    with pytest.raises(ReplayError, match=rf"btc.csv, line 3: open {price} is no multiple of"):
        check_files({"BTCUSDT": file}, tick_sizes={"BTCUSDT": Decimal("0.01")})


def test_steps_are_due_on_the_markets_clock_however_many_a_candle_has() -> None:
    def at(*minutes: int) -> list[ReplayStep]:
        return [ReplayStep(datetime(2026, 1, 1, 0, minute, tzinfo=UTC), {}) for minute in minutes]

    def due(steps: list[ReplayStep], speed: float) -> list[float]:
        return [seconds for seconds, _ in paced(iter(steps), speed=speed)]

    assert due(at(0, 1, 5), 60) == [0, 1, 5]
    assert due(at(0, 0, 1, 1), 30) == [0, 1, 2, 3]
    assert due(at(7), 60) == [0]
    assert due([], 60) == []
