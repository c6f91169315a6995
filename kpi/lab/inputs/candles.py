"""Candles of one symbol for a tape: a file checked from end to end, cut and merged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

from kpi.lab.errors import StudyError
from market.candle_files import Candle, parse_candle, read_rows
from market.errors import ReplayError
from market.kernel.amounts import ZERO

#: More than any market trades of an asset within a bar.
LARGEST_VOLUME = Decimal(10) ** 15
LONGEST_BAR = timedelta(days=366)
YEARS = range(1900, 9000)


@dataclass(frozen=True, slots=True)
class Bar:
    """A candle and what was traded within it, base asset × close, in USDT."""

    candle: Candle
    traded: Decimal

    @property
    def time(self) -> datetime:
        return self.candle.open_time


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of one symbol, each as long as the others and without a gap."""

    symbol: str
    file: str
    length: timedelta
    bars: tuple[Bar, ...]

    @property
    def end(self) -> datetime:
        """When the last bar closes."""
        return self.bars[-1].time + self.length

    def between(self, start: datetime, end: datetime) -> "Bars":
        """Return the bars that open from ``start`` on and before ``end``."""
        inside = tuple(bar for bar in self.bars if start <= bar.time < end)
        return Bars(self.symbol, self.file, self.length, inside)


def read_bars(symbol: str, file: str, *, tick_size: Decimal) -> Bars:
    """Return the bars of a CSV file with a row per candle. Raises StudyError, with file and line.

    ``volume``, in the base asset, may be missing: then nothing was traded as far as is known.
    """
    try:
        rows = [
            (where, Bar(candle, traded(row.get("volume"), candle, where)))
            for where, row in read_rows(Path(file))
            for candle in [parse_candle(symbol, row, where, tick_size)]
        ]
    except ReplayError as error:
        raise StudyError("", "", str(error)) from error
    if len(rows) < 2:
        raise StudyError(file, "", "a tape has two rows at least.")
    return Bars(symbol, file, bar_length(rows), tuple(bar for _, bar in rows))


def traded(volume: str | None, candle: Candle, where: str) -> Decimal:
    """Return the value of a volume in USDT."""
    if volume is None:
        return ZERO
    try:
        size = Decimal(volume)
    except InvalidOperation:
        raise ReplayError(f"{where}: volume {volume!r} is no number.") from None
    if not (size.is_finite() and 0 <= size <= LARGEST_VOLUME):
        raise ReplayError(f"{where}: volume is from 0 to 10^15, not {volume}.")
    return size * candle.close


def bar_length(rows: Sequence[tuple[str, Bar]]) -> timedelta:
    """Return the time from each bar to the next. Raises StudyError where one is missing or off."""
    for (_, before), (where, bar) in pairwise(rows):
        if bar.time == before.time:
            raise StudyError(where, "", f"a duplicate: {bar.time:%Y-%m-%dT%H:%M:%SZ} twice.")
        if bar.time < before.time:
            raise StudyError(where, "", "its time is before the row above; sort by open_time.")
    length = min(bar.time - before.time for (_, before), (_, bar) in pairwise(rows))
    check_times(rows, length)
    for (_, before), (where, bar) in pairwise(rows):
        if bar.time - before.time != length:
            raise StudyError(
                where,
                "",
                f"a gap: bars are {length} long, but none opens at "
                f"{before.time + length:%Y-%m-%dT%H:%M:%SZ}; add what is missing.",
            )
    return length


def check_times(rows: Sequence[tuple[str, Bar]], length: timedelta) -> None:
    """Raise StudyError where times are not those of a market, such as seconds read as smaller."""
    for where, bar in rows:
        if bar.time.microsecond:
            raise StudyError(
                where, "", "its time is between two seconds; numbers are milli- or microseconds."
            )
        if bar.time.year not in YEARS:
            raise StudyError(where, "", f"its time is of no year from {YEARS[0]} to {YEARS[-1]}.")
    if length > LONGEST_BAR:
        raise StudyError(rows[1][0], "", f"{length} after the row above; bars last a year at most.")


def aggregated(bars: Bars, count: int) -> Bars:
    """Return bars of ``count`` merged ones each; the last may be made of fewer."""
    if count == 1:
        return bars
    merged = tuple(merge(group) for group in batches(bars.bars, count))
    return Bars(bars.symbol, bars.file, bars.length * count, merged)


def batches(bars: Sequence[Bar], count: int) -> Iterator[Sequence[Bar]]:
    for first in range(0, len(bars), count):
        yield bars[first : first + count]


def merge(bars: Sequence[Bar]) -> Bar:
    """Return the one bar that several in a row are together."""
    first, last = bars[0].candle, bars[-1].candle
    candle = Candle(
        first.symbol,
        first.open_time,
        first.open,
        max(bar.candle.high for bar in bars),
        min(bar.candle.low for bar in bars),
        last.close,
    )
    return Bar(candle, sum((bar.traded for bar in bars), ZERO))
