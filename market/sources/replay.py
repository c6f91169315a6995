"""Recorded candles as prices: reads CSV files and lines several symbols up in time."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Final

COLUMNS: Final = ("open_time", "open", "high", "low", "close")


class ReplayError(Exception):
    """A file of candles cannot be used; says where and why."""


@dataclass(frozen=True, slots=True)
class Candle:
    """Prices of one symbol over one interval that begins at ``open_time``."""

    symbol: str
    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def path(self) -> tuple[Decimal, ...]:
        """Return the usual guess of how the price went: first the end nearer to the open."""
        rising = self.close >= self.open
        inner = (self.low, self.high) if rising else (self.high, self.low)
        return (self.open, *inner, self.close)


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """Prices by symbol of one market step, and the open time of their candles."""

    time: datetime
    prices: Mapping[str, Decimal]


def merged_steps(files: Mapping[str, Path], *, path: str) -> Iterator[ReplayStep]:
    """Yield the steps of several files by time, one (``close``) or four (``ohlc``) per candle.

    Raises ReplayError.
    """
    candles = merge(
        *(read_candles(symbol, file) for symbol, file in files.items()), key=lambda c: c.open_time
    )
    for time, group in groupby(candles, key=lambda candle: candle.open_time):
        together = list(group)
        if path == "close":
            yield ReplayStep(time, {candle.symbol: candle.close for candle in together})
            continue
        for prices in zip(*(candle.path() for candle in together), strict=True):
            symbols = (candle.symbol for candle in together)
            yield ReplayStep(time, dict(zip(symbols, prices, strict=True)))


def read_candles(symbol: str, file: Path) -> Iterator[Candle]:
    """Yield the candles of a CSV file with the columns open_time, open, high, low and close.

    ``open_time`` is ISO 8601 or milliseconds since 1970, both in UTC, and must increase. Raises
    ReplayError.
    """
    last: datetime | None = None
    try:
        with file.open(newline="") as lines:
            reader = csv.DictReader(lines)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise ReplayError(f"{file}: the columns {', '.join(sorted(missing))} are missing.")
            for row in reader:
                candle = parse_candle(symbol, row, f"{file}, line {reader.line_num}")
                if last is not None and candle.open_time <= last:
                    raise ReplayError(f"{file}, line {reader.line_num}: time does not increase.")
                last = candle.open_time
                yield candle
    except OSError as error:
        raise ReplayError(f"{file} cannot be read: {error.strerror}.") from error


def parse_candle(symbol: str, row: Mapping[str, str | None], where: str) -> Candle:
    """Return the candle of a row. Raises ReplayError, saying where."""
    try:
        prices = {name: Decimal(row[name] or "") for name in COLUMNS[1:]}
        candle = Candle(symbol, parse_time(row["open_time"] or ""), **prices)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ReplayError(f"{where}: not a candle.") from error
    if not all(price.is_finite() and price > 0 for price in prices.values()):
        raise ReplayError(f"{where}: prices must be positive.")
    if (
        not candle.low
        <= min(candle.open, candle.close)
        <= max(candle.open, candle.close)
        <= (candle.high)
    ):
        raise ReplayError(f"{where}: open and close must lie between low and high.")
    return candle


def parse_time(text: str) -> datetime:
    """Read ISO 8601 or milliseconds since 1970; a time without a zone is UTC."""
    if text.isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
