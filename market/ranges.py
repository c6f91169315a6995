"""The realised range of an instrument's marks: over the last minutes of the market's clock.

``(highest − lowest) ÷ lowest``, cut to eight places, of all marks in the present minute and in
those before it that the window holds: the range of Parkinson (1980, "The Extreme Value Method for
Estimating the Variance of the Rate of Return") as a share instead of a logarithm. The market's
clock is that of the recorded candle where a replay sets the mark, else the exchange's own. Where a
replay begins, ends or goes back in time, the window begins anew. All other marks count alike:
simulated, quoted or set by hand, of a halted instrument too.

A market step keeps the lowest and the highest mark of the minute and of the hour, so that a window
is read from some 80 rows, however many marks there were.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from market.candle_models import KEPT_LENGTHS
from market.quotes import Quote
from market.windows import LONGEST_WINDOW

# Read as of before the statement: what the window had is joined by the new mark. A step's pieces
# are never forgotten by it, since no statement may change a row twice.
KEEP: Final = """
WITH quote AS (
    SELECT given.id, given.price, coalesce(given.market_time, %(now)s) AS moment,
        (given.market_time IS NULL) <> (instrument.market_time IS NULL)
            OR coalesce(given.market_time < instrument.market_time, false) AS anew
    FROM unnest(%(ids)s::bigint[], %(prices)s::numeric[], %(market_times)s::timestamptz[])
        AS given (id, price, market_time)
    JOIN market_instrument AS instrument ON instrument.id = given.id
), piece AS (
    SELECT id, price, anew, seconds,
        date_bin(make_interval(secs => seconds), moment, 'epoch') AS open_time,
        CASE WHEN anew THEN 'infinity' ELSE moment - %(longest)s - interval '1 hour' END AS bygone
    FROM quote CROSS JOIN unnest(%(lengths)s::smallint[]) AS length (seconds)
), kept AS (
    INSERT INTO market_markrange AS kept (instrument_id, seconds, open_time, low, high)
    SELECT id, seconds, open_time, price, price FROM piece
    ON CONFLICT (instrument_id, seconds, open_time) DO UPDATE SET (low, high) = (
        SELECT CASE WHEN quote.anew THEN quote.price ELSE least(kept.low, quote.price) END,
            CASE WHEN quote.anew THEN quote.price ELSE greatest(kept.high, quote.price) END
        FROM quote WHERE quote.id = kept.instrument_id
    )
    WHERE excluded.low < kept.low OR excluded.high > kept.high
        OR (SELECT anew FROM quote WHERE quote.id = kept.instrument_id)
), forgotten AS (
    DELETE FROM market_markrange WHERE id = ANY(ARRAY(
        SELECT old.id FROM piece CROSS JOIN LATERAL (
            SELECT id FROM market_markrange
            WHERE instrument_id = piece.id AND seconds = piece.seconds
                AND open_time < piece.bygone AND open_time <> piece.open_time
            OFFSET 0
        ) AS old
    ))
)
SELECT quote.id, div((seen.high - seen.low) * 100000000, seen.low) * 0.00000001
FROM quote
CROSS JOIN LATERAL (
    SELECT date_bin('1 minute', moment, 'epoch') - %(before)s AS first
) AS span
CROSS JOIN LATERAL (
    SELECT least(min(low), quote.price) AS low, greatest(max(high), quote.price) AS high
    FROM (
        SELECT low, high FROM market_markrange
        WHERE instrument_id = quote.id AND seconds = 3600 AND open_time >= first
        UNION ALL
        SELECT low, high FROM market_markrange
        WHERE instrument_id = quote.id AND seconds = 60 AND open_time >= first
            AND open_time < date_bin('1 hour', first + interval '59 minutes', 'epoch')
    ) AS had
    WHERE NOT quote.anew
) AS seen
"""


def keep_ranges(*, quotes: Mapping[int, Quote], now: datetime, minutes: int) -> dict[int, Decimal]:
    """Add marks, by instrument id, to what is kept, and return the ranges over so many minutes.

    Runs in the transaction that sets the marks, before it does.
    """
    parameters: dict[str, Any] = {
        "now": now,
        "ids": list(quotes),
        "prices": [quote.price for quote in quotes.values()],
        "market_times": [quote.market_time for quote in quotes.values()],
        "lengths": KEPT_LENGTHS,
        "longest": timedelta(minutes=LONGEST_WINDOW),
        "before": timedelta(minutes=minutes - 1),
    }
    with connection.cursor() as cursor:
        cursor.execute(KEEP, parameters)
        return dict(cursor.fetchall())
