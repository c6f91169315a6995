"""Candles of mark prices: market steps keep short ones, longer ones are made of those.

What a step keeps is a candle a minute and one an hour. Every interval is read from the longest of
them that divides it, so that no answer costs more than a few thousand rows, however many ticks
there were, and ticks may be forgotten without a loss of candles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from market.candle_models import KEPT_LENGTHS
from market.quotes import Quote
from market.selectors import get_instrument

#: Lengths of candles in seconds, by their names on the wire.
INTERVALS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "1d": 86_400}


@dataclass(frozen=True, slots=True)
class Candle:
    """Mark prices of one interval; ``ticks`` is how many there were."""

    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


# Steps run one at a time, so that the last one to write an interval closes it.
KEEP: Final = """
INSERT INTO market_keptcandle AS kept
    (instrument_id, seconds, open_time, open, high, low, close, ticks)
SELECT quote.id, length.seconds,
       date_bin(make_interval(secs => length.seconds), %(now)s::timestamptz, 'epoch'),
       quote.price, quote.price, quote.price, quote.price, 1
FROM unnest(%(ids)s::bigint[], %(prices)s::numeric[]) AS quote (id, price)
CROSS JOIN unnest(%(lengths)s::smallint[]) AS length (seconds)
ON CONFLICT (instrument_id, seconds, open_time) DO UPDATE
SET high = greatest(kept.high, excluded.high), low = least(kept.low, excluded.low),
    close = excluded.close, ticks = kept.ticks + 1
"""

CANDLES: Final = """
SELECT bar.open_time, first.open, bar.high, bar.low, last.close, bar.ticks
FROM (
    SELECT date_bin(make_interval(secs => %(seconds)s), open_time, 'epoch') AS open_time,
           min(open_time) AS first, max(open_time) AS last,
           max(high) AS high, min(low) AS low, sum(ticks) AS ticks
    FROM market_keptcandle
    WHERE instrument_id = %(instrument)s AND seconds = %(kept)s
        AND open_time >= date_bin(make_interval(secs => %(seconds)s),
                                  %(marked_at)s::timestamptz, 'epoch')
                         - make_interval(secs => (%(limit)s - 1) * %(seconds)s)
    GROUP BY 1
) AS bar
CROSS JOIN LATERAL (
    SELECT open FROM market_keptcandle
    WHERE instrument_id = %(instrument)s AND seconds = %(kept)s AND open_time = bar.first
    OFFSET 0
) AS first
CROSS JOIN LATERAL (
    SELECT close FROM market_keptcandle
    WHERE instrument_id = %(instrument)s AND seconds = %(kept)s AND open_time = bar.last
    OFFSET 0
) AS last
ORDER BY bar.open_time
"""


def keep_candles(*, quotes: Mapping[int, Quote], now: datetime) -> None:
    """Add new marks, by instrument id, to the candles that they fall into."""
    parameters: dict[str, Any] = {
        "now": now,
        "ids": list(quotes),
        "prices": [quote.price for quote in quotes.values()],
        "lengths": KEPT_LENGTHS,
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP, parameters)


def candles(*, symbol: str, interval: str, limit: int) -> list[Candle]:
    """Return the candles of the ``limit`` intervals up to the last mark, oldest first.

    An interval without a mark is left out. ``interval`` is one of INTERVALS. Raises UnknownSymbol.
    """
    instrument = get_instrument(symbol=symbol)
    seconds = INTERVALS[interval]
    parameters: dict[str, Any] = {
        "instrument": instrument.pk,
        "marked_at": instrument.marked_at,
        "seconds": seconds,
        "kept": max(length for length in KEPT_LENGTHS if seconds % length == 0),
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(CANDLES, parameters)
        return [Candle(*row) for row in cursor.fetchall()]
