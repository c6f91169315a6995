"""Recorded candles as prices: reads CSV files and lines several symbols up in time."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Final

COLUMNS: Final = ("open_time", "open", "high", "low", "close")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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

    ``open_time`` is ISO 8601 or milliseconds since 1970, in UTC, and must increase. Raises
    ReplayError, with the file and the line.
    """
    last: datetime | None = None
    for where, row in read_rows(file):
        candle = parse_candle(symbol, row, where)
        if last is not None and candle.open_time <= last:
            raise ReplayError(f"{where}: time does not increase.")
        last = candle.open_time
        yield candle


def read_rows(file: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the rows of a CSV file, each after the words that say where it stands.

    Raises ReplayError.
    """
    line = 1
    try:
        # Spreadsheets put a byte order mark in front.
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restval="", strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ReplayError(f"{file}, line {line}: no column {', '.join(missing)}.")
            for row in reader:
                line = reader.line_num
                yield f"{file}, line {line}", row
    except OSError as error:
        raise ReplayError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ReplayError(f"{file} is not in UTF-8.") from error
    except csv.Error as error:
        raise ReplayError(f"{file}, after line {line}: {error}.") from error


def parse_candle(symbol: str, row: Mapping[str, str], where: str) -> Candle:
    """Return the candle of a row. Raises ReplayError, saying where."""
    try:
        open_time = parse_time(row["open_time"])
    except (ValueError, OverflowError):
        raise ReplayError(
            f"{where}: open_time {row['open_time']!r} is neither ISO 8601 nor milliseconds."
        ) from None
    prices = {name: parse_price(name, row[name], where) for name in COLUMNS[1:]}
    candle = Candle(symbol, open_time, **prices)
    if candle.low != min(prices.values()) or candle.high != max(prices.values()):
        raise ReplayError(f"{where}: open and close must lie between low and high.")
    return candle


def parse_price(name: str, text: str, where: str) -> Decimal:
    """Return a positive price. Raises ReplayError, saying where."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise ReplayError(f"{where}: {name} {text!r} is no number.") from None
    if not price.is_finite() or price <= 0:
        raise ReplayError(f"{where}: {name} must be positive, not {text}.")
    return price


def parse_time(text: str) -> datetime:
    """Read ISO 8601 or milliseconds since 1970; a time without a zone is UTC."""
    if text.isdecimal():
        return EPOCH + timedelta(milliseconds=int(text))
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
