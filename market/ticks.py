"""Forgets ticks that are too old; what is kept of them are their candles, of all kept lengths."""

from datetime import datetime, timedelta
from typing import Any, Final

from market.candle_models import KEPT_LENGTHS
from market.kernel.pruning import NEVER, Deadline, delete_portions
from market.models import Instrument

# Their candles must be there: else the marks would be gone with the ticks. Where one is not, it is
# made of them, so that no tick is looked at in vain again. A step adds a mark to the candles of all
# lengths at once: the longer ones miss what the shortest ones miss, and get it from those made.
PRUNE_TICKS: Final = """
WITH old AS MATERIALIZED (
    SELECT id, created_at FROM market_pricetick
    WHERE instrument_id = %(instrument)s AND created_at < %(before)s
    ORDER BY created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
), made AS (
    INSERT INTO market_keptcandle
        (instrument_id, seconds, open_time, open, high, low, close, ticks, market_time)
    SELECT %(instrument)s, %(shortest)s, piece.open_time, whole.*
    FROM (
        SELECT DISTINCT date_bin(%(length)s, created_at, 'epoch') AS open_time FROM old
    ) AS piece
    CROSS JOIN LATERAL (
        SELECT (array_agg(price ORDER BY created_at, id))[1], max(price), min(price),
               (array_agg(price ORDER BY created_at DESC, id DESC))[1], count(*),
               (array_agg(market_time ORDER BY created_at, id)
                   FILTER (WHERE market_time IS NOT NULL))[1]
        FROM market_pricetick AS tick
        WHERE tick.instrument_id = %(instrument)s AND tick.created_at >= piece.open_time
            AND tick.created_at < piece.open_time + %(length)s
    ) AS whole
    WHERE NOT EXISTS (
        SELECT FROM market_keptcandle AS kept
        WHERE kept.instrument_id = %(instrument)s AND kept.seconds = %(shortest)s
            AND kept.open_time = piece.open_time
    )
    ON CONFLICT DO NOTHING
    RETURNING open_time, open, high, low, close, ticks, market_time
), longer AS MATERIALIZED (
    SELECT length.seconds, bin.open_time, min(made.open_time) AS first, max(made.open_time) AS last,
           min(made.open_time) FILTER (WHERE market_time IS NOT NULL) AS first_replayed,
           (array_agg(open ORDER BY made.open_time))[1] AS open,
           max(high) AS high, min(low) AS low,
           (array_agg(close ORDER BY made.open_time DESC))[1] AS close,
           sum(ticks) AS ticks,
           (array_agg(market_time ORDER BY made.open_time)
               FILTER (WHERE market_time IS NOT NULL))[1] AS market_time
    FROM made
    CROSS JOIN unnest(%(longer)s::smallint[]) AS length (seconds)
    CROSS JOIN LATERAL (
        SELECT date_bin(make_interval(secs => length.seconds), made.open_time, 'epoch') AS open_time
    ) AS bin
    GROUP BY 1, 2
), merged AS (
    INSERT INTO market_keptcandle AS kept
        (instrument_id, seconds, open_time, open, high, low, close, ticks, market_time)
    SELECT %(instrument)s, seconds, open_time, open, high, low, close, ticks, market_time
    FROM longer
    ON CONFLICT (instrument_id, seconds, open_time) DO UPDATE
    SET (open, high, low, close, ticks, market_time) = (
        SELECT CASE WHEN longer.first < held.first THEN excluded.open ELSE kept.open END,
               greatest(kept.high, excluded.high), least(kept.low, excluded.low),
               CASE WHEN longer.last > held.last THEN excluded.close ELSE kept.close END,
               kept.ticks + excluded.ticks,
               CASE WHEN longer.first_replayed < held.first_replayed THEN excluded.market_time
                    ELSE coalesce(kept.market_time, excluded.market_time) END
        FROM longer CROSS JOIN LATERAL (
            SELECT min(short.open_time) AS first, max(short.open_time) AS last,
                   min(short.open_time) FILTER (WHERE short.market_time IS NOT NULL)
                       AS first_replayed
            FROM market_keptcandle AS short
            WHERE short.instrument_id = %(instrument)s AND short.seconds = %(shortest)s
                AND short.open_time >= longer.open_time
                AND short.open_time < longer.open_time + make_interval(secs => longer.seconds)
        ) AS held
        WHERE longer.seconds = kept.seconds AND longer.open_time = kept.open_time
    )
)
DELETE FROM market_pricetick WHERE id = ANY(ARRAY(SELECT id FROM old))
"""


def prune_ticks(*, before: datetime, deadline: Deadline = NEVER) -> int:
    """Delete ticks of before a moment in portions, their candles kept; return how many."""
    shortest, *longer = KEPT_LENGTHS
    asked: dict[str, Any] = {
        "before": before,
        "shortest": shortest,
        "length": timedelta(seconds=shortest),
        "longer": longer,
    }
    return sum(
        delete_portions(PRUNE_TICKS, {**asked, "instrument": key}, deadline=deadline)
        for key in Instrument.objects.values_list("pk", flat=True)
    )
