"""Forgets ticks that are too old; what is kept of them are the candles of their minutes."""

from datetime import datetime
from typing import Final

from market.kernel.pruning import NEVER, Deadline, delete_portions
from market.models import Instrument

# Their candles must be there: else the marks would be gone with the ticks. Where one is not, it is
# made of them, so that no tick is looked at in vain again.
PRUNE_TICKS: Final = """
WITH old AS MATERIALIZED (
    SELECT id, created_at FROM market_pricetick
    WHERE instrument_id = %(instrument)s AND created_at < %(before)s
    ORDER BY created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
), made AS (
    INSERT INTO market_keptcandle
        (instrument_id, seconds, open_time, open, high, low, close, ticks, market_time)
    SELECT %(instrument)s, 60, minute.open_time, whole.*
    FROM (SELECT DISTINCT date_bin('1 minute', created_at, 'epoch') AS open_time FROM old) AS minute
    CROSS JOIN LATERAL (
        SELECT (array_agg(price ORDER BY created_at, id))[1], max(price), min(price),
               (array_agg(price ORDER BY created_at DESC, id DESC))[1], count(*), min(market_time)
        FROM market_pricetick AS tick
        WHERE tick.instrument_id = %(instrument)s AND tick.created_at >= minute.open_time
            AND tick.created_at < minute.open_time + interval '1 minute'
    ) AS whole
    WHERE NOT EXISTS (
        SELECT FROM market_keptcandle AS kept
        WHERE kept.instrument_id = %(instrument)s AND kept.seconds = 60
            AND kept.open_time = minute.open_time
    )
    ON CONFLICT DO NOTHING
)
DELETE FROM market_pricetick WHERE id = ANY(ARRAY(SELECT id FROM old))
"""


def prune_ticks(*, before: datetime, deadline: Deadline = NEVER) -> int:
    """Delete ticks of before a moment in portions, their candles kept; return how many."""
    return sum(
        delete_portions(PRUNE_TICKS, {"instrument": key, "before": before}, deadline=deadline)
        for key in Instrument.objects.values_list("pk", flat=True)
    )
