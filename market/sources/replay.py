"""Recorded candles as prices: lines the candles of several symbols up in time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from heapq import merge
from itertools import groupby
from pathlib import Path

from market.candle_files import read_candles


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


def check_files(files: Mapping[str, Path], *, tick_sizes: Mapping[str, Decimal]) -> None:
    """Read files by symbol to their ends, so that no replay stops half-way through one.

    Raises ReplayError, with the file and the line, also for a price that is no multiple of its
    symbol's tick size.
    """
    for symbol, file in files.items():
        for _ in read_candles(symbol, file, tick_size=tick_sizes[symbol]):
            pass
