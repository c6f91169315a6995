"""Reads of the market app: present prices and candles."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet

from market.errors import NotFound, UnknownSymbol
from market.models import Instrument, PriceHalt

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


# Steps run one at a time, so that ids follow time.
CANDLES = """
SELECT date_bin(%(length)s::interval, created_at, 'epoch') AS open_time,
    (SELECT price FROM market_pricetick WHERE id = min(tick.id)),
    max(price),
    min(price),
    (SELECT price FROM market_pricetick WHERE id = max(tick.id)),
    count(*)
FROM market_pricetick AS tick
WHERE instrument_id = %(instrument)s
    AND created_at >= date_bin(%(length)s::interval, %(marked_at)s::timestamptz, 'epoch')
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


def instruments() -> QuerySet[Instrument]:
    """Return all instruments, by symbol."""
    return Instrument.objects.all()


def open_price_halt(*, instrument: Instrument) -> PriceHalt | None:
    """Return the quote that halted an instrument, until staff have released it."""
    return PriceHalt.objects.filter(instrument=instrument, released_at=None).first()


def price_halts_since(moment: datetime) -> QuerySet[PriceHalt]:
    """Return the quotes whose halt goes on or ended after ``moment``, oldest first."""
    open_or_recent = Q(released_at=None) | Q(released_at__gte=moment)
    return PriceHalt.objects.filter(open_or_recent).select_related("instrument").order_by("id")


def candles(*, symbol: str, interval: str, limit: int) -> list[Candle]:
    """Return the candles of the ``limit`` intervals up to the last mark, oldest first.

    An interval without a tick is left out. ``interval`` is one of INTERVALS. Raises UnknownSymbol.
    """
    instrument = get_instrument(symbol=symbol)
    parameters: dict[str, Any] = {
        "instrument": instrument.pk,
        "marked_at": instrument.marked_at,
        "length": INTERVALS[interval],
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(CANDLES, parameters)
        return [Candle(*row) for row in cursor.fetchall()]
