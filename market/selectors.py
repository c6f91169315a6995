"""Reads of the market app: present prices and candles."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from market.errors import NotFound, UnknownSymbol
from market.models import Instrument

#: Lengths of candles, by their names on the wire.
INTERVALS: Final = {
    "1m": "1 minute",
    "5m": "5 minutes",
    "15m": "15 minutes",
    "1h": "1 hour",
    "1d": "1 day",
}


class NoPrice(NotFound):
    code = "no_price"
    detail = "This instrument has no mark price yet; wait for a market step."


@dataclass(frozen=True, slots=True)
class Candle:
    """Mark prices of one interval; ``ticks`` is how many there were."""

    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


CANDLES = """
SELECT date_bin(%(length)s::interval, created_at, 'epoch') AS open_time,
       (array_agg(price ORDER BY id))[1], max(price), min(price),
       (array_agg(price ORDER BY id DESC))[1], count(*)
FROM market_pricetick
WHERE instrument_id = %(instrument)s
    AND created_at >= date_bin(%(length)s::interval, now(), 'epoch')
                      - (%(limit)s - 1) * %(length)s::interval
GROUP BY open_time
ORDER BY open_time
"""


def get_instrument(*, symbol: str) -> Instrument:
    """Return an instrument by its symbol in any case. Raises UnknownSymbol."""
    known = symbol.isalnum() and Instrument.objects.filter(symbol=symbol.upper()).first()
    if not known:
        raise UnknownSymbol
    return known


def priced_instrument(*, symbol: str) -> Instrument:
    """Return an instrument that has a mark price. Raises UnknownSymbol, NoPrice."""
    instrument = get_instrument(symbol=symbol)
    if instrument.mark_price is None:
        raise NoPrice
    return instrument


def current_prices() -> QuerySet[Instrument]:
    """Return the instruments that have a mark price."""
    return Instrument.objects.filter(mark_price__isnull=False)


def candles(*, symbol: str, interval: str, limit: int) -> list[Candle]:
    """Return the candles of the last ``limit`` intervals, oldest first; one without a tick is left
    out. Raises UnknownSymbol."""
    parameters: dict[str, Any] = {
        "instrument": get_instrument(symbol=symbol).pk,
        "length": INTERVALS[interval],
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(CANDLES, parameters)
        return [Candle(*row) for row in cursor.fetchall()]
