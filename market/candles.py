"""Candles of mark prices: market steps keep short ones, longer ones are made of those.

What a step keeps is a candle a minute and one an hour. Every interval is read from the longest of
them that divides it, so that no answer costs more than a few thousand rows, however many ticks
there were, and ticks may be forgotten without a loss of candles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from market.candle_models import KEPT_LENGTHS, KeptCandle
from market.kernel.amounts import ZERO
from market.models import Instrument
from market.quotes import Quote
from market.selectors import get_instrument

#: Lengths of candles in seconds, by their names on the wire.
INTERVALS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "1d": 86_400}


@dataclass(frozen=True, slots=True)
class Candle:
    """Mark prices of one interval; ``ticks`` is how many there were.

    ``market_time`` is that of the first recorded candle in it, where a replay set its prices. A
    mark price is quoted, not traded, so that there is no ``volume`` to it.
    """

    open_time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int
    market_time: datetime | None = None
    volume: Decimal = ZERO


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Later than any candle.
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

# Steps run one at a time, so that the last one to write an interval closes it.
KEEP: Final = """
INSERT INTO market_keptcandle AS kept
    (instrument_id, seconds, open_time, open, high, low, close, ticks, market_time)
SELECT quote.id, length.seconds,
       date_bin(make_interval(secs => length.seconds), %(now)s::timestamptz, 'epoch'),
       quote.price, quote.price, quote.price, quote.price, 1, quote.market_time
FROM unnest(%(ids)s::bigint[], %(prices)s::numeric[], %(market_times)s::timestamptz[])
    AS quote (id, price, market_time)
CROSS JOIN unnest(%(lengths)s::smallint[]) AS length (seconds)
ON CONFLICT (instrument_id, seconds, open_time) DO UPDATE
SET high = greatest(kept.high, excluded.high), low = least(kept.low, excluded.low),
    close = excluded.close, ticks = kept.ticks + 1,
    market_time = coalesce(kept.market_time, excluded.market_time)
"""

CANDLES: Final = """
SELECT bar.open_time, first.open, bar.high, bar.low, last.close, bar.ticks, bar.market_time
FROM (
    SELECT date_bin(make_interval(secs => %(seconds)s), open_time, 'epoch') AS open_time,
           min(open_time) AS first, max(open_time) AS last,
           max(high) AS high, min(low) AS low, sum(ticks) AS ticks,
           (array_agg(market_time ORDER BY open_time)
               FILTER (WHERE market_time IS NOT NULL))[1] AS market_time
    FROM market_keptcandle
    WHERE instrument_id = %(instrument)s AND seconds = %(kept)s
        AND open_time >= %(first)s AND open_time < %(stop)s
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
        "market_times": [quote.market_time for quote in quotes.values()],
        "lengths": KEPT_LENGTHS,
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP, parameters)


def candles(
    *,
    symbol: str,
    interval: str,
    limit: int,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Candle]:
    """Return candles, oldest first. ``interval`` is one of INTERVALS. Raises UnknownSymbol.

    Of the ``limit`` intervals up to the last mark, those that have one. Between ``start`` and
    ``end``, of which one may be left out, every interval from the first mark ever to the present:
    one without a mark repeats the last close. They are the first ``limit`` that open from ``start``
    on, or the last that open before ``end``.
    """
    instrument, length = get_instrument(symbol=symbol), timedelta(seconds=INTERVALS[interval])
    if instrument.marked_at is None:
        return []
    if start is None and end is None:
        first = opens(instrument.marked_at, length) - (limit - 1) * length
        return found_candles(instrument, length, first, NEVER)
    first, stop = bounds(instrument, length, limit, start, end)
    close = close_before(instrument, length, first)
    found = found_candles(instrument, length, first, stop) if first < stop else []
    return without_holes(found, length, first, stop, close)


def opens(moment: datetime, length: timedelta) -> datetime:
    """Return when the interval opens that a moment falls into."""
    return moment - (moment - EPOCH) % length


def next_opens(moment: datetime, length: timedelta) -> datetime:
    """Return when the first interval opens that opens at a moment or later."""
    return moment + (EPOCH - moment) % length


def bounds(
    instrument: Instrument,
    length: timedelta,
    limit: int,
    start: datetime | None,
    end: datetime | None,
) -> tuple[datetime, datetime]:
    """Return when the first asked interval opens, and when the first one does that is not asked."""
    assert instrument.marked_at is not None
    kept = kept_candles(instrument, length)
    earliest = kept.order_by("open_time").values_list("open_time", flat=True).first()
    earliest = opens(earliest or instrument.marked_at, length)
    stop = opens(max(timezone.now(), instrument.marked_at), length) + length
    if end is not None:
        stop = min(stop, next_opens(end, length))
    if start is None:
        return max(earliest, stop - limit * length), stop
    first = max(earliest, next_opens(start, length))
    return first, min(stop, first + limit * length)


def kept_candles(instrument: Instrument, length: timedelta) -> QuerySet[KeptCandle]:
    """Return the candles of which those of a length are made."""
    return KeptCandle.objects.filter(instrument=instrument, seconds=kept_length(length))


def kept_length(length: timedelta) -> int:
    seconds = int(length.total_seconds())
    return max(kept for kept in KEPT_LENGTHS if seconds % kept == 0)


def close_before(instrument: Instrument, length: timedelta, moment: datetime) -> Decimal | None:
    """Return the last close before a moment; None before the first mark."""
    earlier = kept_candles(instrument, length).filter(open_time__lt=moment)
    return earlier.order_by("-open_time").values_list("close", flat=True).first()


def found_candles(
    instrument: Instrument, length: timedelta, first: datetime, stop: datetime
) -> list[Candle]:
    """Return the candles of intervals with a mark that open from ``first`` to before ``stop``."""
    parameters: dict[str, Any] = {
        "instrument": instrument.pk,
        "seconds": int(length.total_seconds()),
        "kept": kept_length(length),
        "first": first,
        "stop": stop,
    }
    with connection.cursor() as cursor:
        cursor.execute(CANDLES, parameters)
        return [Candle(*row) for row in cursor.fetchall()]


def without_holes(
    found: Sequence[Candle],
    length: timedelta,
    first: datetime,
    stop: datetime,
    close: Decimal | None,
) -> list[Candle]:
    """Return a candle of each interval; ``close`` is the last one before the first of them."""
    known, whole, open_time = {one.open_time: one for one in found}, list[Candle](), first
    while open_time < stop:
        candle = known.get(open_time)
        if candle is None and close is not None:
            candle = Candle(open_time, close, close, close, close, ticks=0)
        if candle is not None:
            whole.append(candle)
            close = candle.close
        open_time += length
    return whole
