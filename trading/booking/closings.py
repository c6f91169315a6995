"""Stores positions that are closed out, thousands of them in a falling market.

What closes of a position at its mark says itself what its order and its trade are: the rest is the
same for all of them and stands in the statement.
"""

from typing import Final

from trading.booking.sql import insert
from trading.models import Order, Trade

CLOSING_ORDER: Final = {
    "id": "order_id",
    "client_order_id": "NULL",
    "fingerprint": "''",
    "type": "'market'",
    "price": "NULL",
    "reduce_only": "true",
    "liquidation": "true",
    "status": "'FILLED'",
    "reject_code": "''",
    "reject_detail": "''",
    "filled_size": "size",
    "average_price": "price",
    "required_margin": "0",
    "reserved_margin": "0",
    "reserved_notional": "0",
    "venue": "'simulated'",
    "accepted_as": "'FILLED'",
    "answered_filled_size": "0",
    "answered_average_price": "NULL",
    "user_exposure_after": "NULL",
    "global_exposure_after": "NULL",
    "sent_total": "NULL",
    "triggered_at": "NULL",
    "created_at": "closed_at",
    "updated_at": "closed_at",
}
CLOSING_TRADE: Final = {
    "notional": "size * price",
    "fee": "0",
    "fill_number": "NULL",
    "created_at": "closed_at",
}
# What closes of a position: the order of the exchange, its one trade, and what is left of it.
CLOSINGS: Final = f"""
WITH closing AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s::json) AS one(
        order_id bigint, liquidation_id bigint, account_id bigint, position_id bigint,
        instrument_id bigint, symbol text, side text, size numeric, price numeric,
        leverage int, quantity numeric, cost numeric, margin numeric, realized_pnl numeric,
        closed_at timestamptz
    )
),
ordered AS ({insert(Order, source="closing", **CLOSING_ORDER)}),
traded AS ({insert(Trade, source="closing", leave_out=["id"], **CLOSING_TRADE)})
UPDATE risk_position AS position
SET quantity = closing.quantity, cost = closing.cost, margin = closing.margin,
    status = CASE WHEN closing.quantity = 0 THEN 'LIQUIDATED' ELSE position.status END,
    closed_at = CASE WHEN closing.quantity = 0 THEN closing.closed_at END,
    realized_pnl = position.realized_pnl + closing.realized_pnl
FROM closing WHERE position.id = closing.position_id"""
