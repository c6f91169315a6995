"""Writes what happened to accounts, all of it or nothing, one account or many in the same way.

Rows travel as JSON whose keys are column names, all rows of a table in one statement, so that each
statement has the same text for one order and for fifty; all of them are sent together. First goes
what is the accounts' own. The exposure rows are the only rows that orders of different accounts
share: they come last, in one small statement that also holds the mark and the threshold, and behind
them only the orders whose answer says what global exposure was after them.
"""

import json
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from accounts.models import Transfer
from market.kernel.amounts import ZERO
from risk.exposure import ExposureChanges
from risk.models import Position
from trading.booking.changes import AccountChanges, Row
from trading.booking.closings import CLOSINGS
from trading.booking.pipeline import committed_together, pipelined
from trading.booking.sql import columns, insert, update
from trading.models import Liquidation, Order, Trade

ORDER_CHANGES = [
    "status",
    "reject_code",
    "reject_detail",
    "filled_size",
    "average_price",
    "reserved_margin",
    "reserved_notional",
    "triggered_at",
    "updated_at",
]
POSITION_CHANGES = [
    "quantity",
    "cost",
    "margin",
    "leverage",
    "realized_pnl",
    "status",
    "closed_at",
]
NEW_ORDERS: Final = insert(Order)
NEW_TRADES: Final = insert(Trade, leave_out=["id"])
NEW_LIQUIDATIONS: Final = insert(Liquidation)
CHANGED_ORDERS: Final = update(Order, ORDER_CHANGES)
CHANGED_POSITIONS: Final = update(Position, POSITION_CHANGES)
NEW_POSITIONS: Final = insert(Position, leave_out=["id"])
NEW_TRANSFERS: Final = insert(Transfer, leave_out=["id"])
RESERVATIONS: Final = """
INSERT INTO risk_reservation (account_id, reserved_margin, reserved_notional)
SELECT account_id, reserved_margin, reserved_notional
FROM json_populate_recordset(NULL::risk_reservation, %(rows)s::json)
ON CONFLICT (account_id) DO UPDATE
    SET reserved_margin = excluded.reserved_margin,
        reserved_notional = excluded.reserved_notional"""
THROTTLED: Final = "SELECT throttle_accounts(%(rows)s::json)"
MOVE_EXPOSURE: Final = (
    "SELECT move_exposure(%(moves)s, %(added)s, %(peak)s, %(threshold)s) AS total"
)
# Until the total is known, an order knows only what its group had added to it by its turn.
TOTAL_THEN: Final = "(SELECT total FROM moved) - %(added)s::numeric + global_exposure_after"
MOVE_AND_ANSWER: Final = f"""
WITH moved AS MATERIALIZED ({MOVE_EXPOSURE}),
    answered AS ({insert(Order, global_exposure_after=TOTAL_THEN)}),
    traded AS ({insert(Trade, rows="trades", leave_out=["id"])})
SELECT total FROM moved"""


def write(*group: AccountChanges, threshold: Decimal = ZERO) -> None:
    """Store changes and complete their new orders with global exposure after each, in USDT.

    Accounts of a group share their exposure changes. Raises MarkMoved or GlobalExposureExceeded;
    the caller's transaction must then be rolled back. The threshold holds back only changes in
    which an order adds risk.
    """
    with pipelined():
        complete = send(group, threshold)
    complete()


@contextmanager
def booking() -> Iterator[Callable[..., None]]:
    """Open a transaction and give the ``write`` with which it ends, sent along with the COMMIT.

    New orders are complete after the block, which raises what ``write`` would.
    """
    completing: list[Callable[[], None]] = []
    with committed_together() as last:

        def write_last(*group: AccountChanges, threshold: Decimal = ZERO) -> None:
            last()
            completing.append(send(group, threshold))

        yield write_last
    for complete in completing:
        complete()


def send(group: Sequence[AccountChanges], threshold: Decimal) -> Callable[[], None]:
    """Send what stores changes; what is returned completes their orders, once all of it is done."""
    exposures = group[0].exposures
    new_orders = [order for one in group for order in one.new_orders]
    answered = {o.pk: o for o in new_orders if o.global_exposure_after is not None}
    cursor = connection.cursor()
    for statement, rows in own_rows(group, answered):
        if rows:
            cursor.execute(statement, {"rows": as_json(rows)})
    if not exposures.by_instrument:
        return lambda: None
    moves: dict[str, Any] = {
        "moves": as_json(exposure_rows(exposures)),
        "added": exposures.value,
        "peak": exposures.peak,
        "threshold": threshold,
    }
    if answered:
        trades = [t for one in group for t in one.trades if t["order_id"] in answered]
        orders = [stored(order) for order in answered.values()]
        cursor.execute(
            MOVE_AND_ANSWER, moves | {"rows": as_json(orders), "trades": as_json(trades)}
        )
    else:
        cursor.execute(MOVE_EXPOSURE, moves)

    def complete() -> None:
        before = cursor.fetchone()[0] - exposures.value
        for order in answered.values():
            order.global_exposure_after += before

    return complete


def own_rows(
    group: Sequence[AccountChanges], answered: Container[int]
) -> list[tuple[str, list[Row]]]:
    """Return what belongs to the accounts alone: statements and their rows, in order.

    The ``answered`` orders and their trades follow later. A position is closed before the next one
    of the same instrument opens.
    """
    return [
        (NEW_LIQUIDATIONS, [stored(one.liquidation) for one in group if one.liquidation]),
        (
            NEW_ORDERS,
            [
                stored(order)
                for one in group
                for order in one.new_orders
                if order.pk not in answered
            ],
        ),
        (CHANGED_ORDERS, [changed(order) for one in group for order in one.changed_orders]),
        (NEW_TRADES, [t for one in group for t in one.trades if t["order_id"] not in answered]),
        (CHANGED_POSITIONS, [vars(p) for one in group for p in one.changed_positions.values()]),
        (NEW_POSITIONS, [vars(p) for one in group for p in one.new_positions]),
        (CLOSINGS, [closing for one in group for closing in one.closings]),
        (NEW_TRANSFERS, [transfer for one in group for transfer in one.transfers]),
        (THROTTLED, [throttled(one) for one in group if one.throttle and one.throttle.why]),
        (RESERVATIONS, [reservation(one) for one in group if one.reservation_changed]),
    ]


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps(rows, default=str)


LOCK_EXPOSURES: Final = """
SELECT 1 FROM risk_instrumentexposure WHERE instrument_id IN (
    SELECT id FROM market_instrument WHERE symbol = ANY(%(symbols)s)
    UNION ALL
    SELECT instrument_id FROM trading_order WHERE id = ANY(%(cancelled)s::bigint[])
) ORDER BY instrument_id FOR UPDATE
"""


def ask_for_shared_rows(
    cursor: CursorWrapper, *, symbols: Collection[str], cancelled: Collection[int]
) -> None:
    """Send the locking of what orders in symbols and cancels share; the answer is the total."""
    cursor.execute(LOCK_EXPOSURES, {"symbols": list(symbols), "cancelled": list(cancelled)})
    cursor.execute("SELECT total FROM risk_globalexposure FOR UPDATE")


def exposure_rows(exposures: ExposureChanges) -> list[Row]:
    return [
        {
            "instrument_id": instrument_id,
            "mark_price": mark_price,
            "long_quantity": change.long_quantity,
            "short_quantity": change.short_quantity,
            "order_notional": change.order_notional,
        }
        for instrument_id, (mark_price, change) in exposures.by_instrument.items()
    ]


def reservation(changes: AccountChanges) -> Row:
    """Return what open orders of the account reserve from now on."""
    return {
        "account_id": changes.state.account_id,
        "reserved_margin": changes.state.reserved_margin,
        "reserved_notional": changes.state.reserved_notional,
    }


def throttled(changes: AccountChanges) -> Row:
    """Return why the account may only reduce from now on, and which fills count no more."""
    assert changes.throttle is not None
    return {
        "account_id": changes.state.account_id,
        "throttled": changes.throttle.why,
        "fills_before": changes.throttle.total,
    }


def stored(instance: Model) -> Row:
    """Return the columns of an instance that are not null."""
    values = ((name, getattr(instance, attname)) for name, attname in columns(type(instance)))
    return {name: value for name, value in values if value is not None}


def changed(order: Order) -> Row:
    """Return of a changed order its id and what may change, as far as it is not null."""
    values = ((name, getattr(order, name)) for name in ("id", *ORDER_CHANGES))
    return {name: value for name, value in values if value is not None}
