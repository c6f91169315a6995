"""How times, prices and candles go to a page: ms since the epoch, exact decimals as strings."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from market.candles import Candle
from market.kernel.amounts import plain


def at(moment: datetime) -> int:
    """Return a time as JavaScript counts it, in ms since the epoch."""
    return int(moment.timestamp() * 1000)


def written(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def candle_rows(candles: Iterable[Candle], bars: Iterable[datetime]) -> list[list[Any]]:
    """Return each bar as time, open, high, low, close; the time alone where no mark was set."""
    found = {one.open_time: one for one in candles}
    return [candle_row(bar, found.get(bar)) for bar in bars]


def candle_row(bar: datetime, candle: Candle | None) -> list[Any]:
    if candle is None:
        return [at(bar)]
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [at(bar), *(plain(price) for price in prices)]
