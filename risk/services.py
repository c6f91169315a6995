"""Writes of the risk app: exposure totals."""

from collections.abc import Mapping
from decimal import Decimal

from django.db import connection

# Locks in the order in which every other writer does: instruments by id, then the total.
SET_MARKS = """
INSERT INTO risk_instrumentexposure
    (instrument_id, mark_price, long_quantity, short_quantity, order_notional)
SELECT instrument_id, mark_price, 0, 0, 0
FROM unnest(%s::bigint[], %s::numeric[]) AS quote (instrument_id, mark_price)
ORDER BY instrument_id
ON CONFLICT (instrument_id) DO UPDATE SET mark_price = excluded.mark_price
"""

REVALUE_TOTAL = """
UPDATE risk_globalexposure SET total = (
    SELECT coalesce(sum((long_quantity + short_quantity) * mark_price + order_notional), 0)
    FROM risk_instrumentexposure
)
"""


def revalue_exposure(*, marks: Mapping[int, Decimal]) -> None:
    """Value open interest at new mark prices (by instrument id) and total it up again.

    Runs in the transaction that changes the marks; locks the exposure rows until it ends.
    """
    with connection.cursor() as cursor:
        cursor.execute(SET_MARKS, [list(marks), list(marks.values())])
        # Waits for orders that are being booked; the sum in the next statement then sees them.
        cursor.execute("SELECT 1 FROM risk_globalexposure WHERE id = 1 FOR UPDATE")
        cursor.execute(REVALUE_TOTAL)
