"""Writes the changes of an account in one statement, all of it or nothing.

Rows travel as one JSON document, whose keys are column names, so that the statement has the same
text for one order and for fifty and costs one round trip. The exposure rows are the only rows that
orders of different accounts share; they are locked last, until the commit that follows.
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import Model

from accounts.models import Transfer
from market.kernel.amounts import ZERO
from risk.exposure import ExposureChanges
from risk.models import Position
from risk.state import RiskSnapshot
from trading.booking.changes import AccountChanges, Row
from trading.models import Liquidation, Order, Trade

#: Rows to be stored, by the part of the statement that stores them.
Document = dict[str, list[Row]]


class MarkMoved(Exception):
    """A market step changed the mark price meanwhile: decide again."""


class GlobalExposureExceeded(Exception):
    """The changes would lift global exposure above its threshold."""


@cache
def columns(model: type[Model]) -> list[tuple[str, str]]:
    """Return the columns of a model, each with the attribute that holds it."""
    return [(str(field.column), field.attname) for field in model._meta.concrete_fields]


def insert(model: type[Model], *, leave_out: Sequence[str] = (), **computed: str) -> str:
    """Return an INSERT of the document's rows of ``model``; ``computed`` gives SQL per column."""
    table = model._meta.db_table
    names = [name for name, _ in columns(model) if name not in leave_out]
    values = ", ".join(computed.get(name, name) for name in names)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
        f"FROM doc, jsonb_populate_recordset(NULL::{table}, doc.j -> 'new_{table}')"
    )


def update(model: type[Model], names: Sequence[str]) -> str:
    """Return an UPDATE by primary key of the document's changed rows of ``model``."""
    table = model._meta.db_table
    assignments = ", ".join(f"{name} = new.{name}" for name in names)
    return (
        f"UPDATE {table} AS old SET {assignments} "
        f"FROM doc, jsonb_populate_recordset(NULL::{table}, doc.j -> 'changed_{table}') AS new "
        f"WHERE old.id = new.id"
    )


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
RESERVE = """
INSERT INTO risk_reservation (account_id, reserved_margin, reserved_notional)
SELECT account_id, reserved_margin, reserved_notional
FROM doc, jsonb_populate_recordset(NULL::risk_reservation, j -> 'changed_risk_reservation')
ON CONFLICT (account_id) DO UPDATE
    SET reserved_margin = excluded.reserved_margin,
        reserved_notional = excluded.reserved_notional"""

#: What changes may have to write, each part under the name of its rows in the document.
PARTS: Final = {
    "new_trading_liquidation": insert(Liquidation),
    "changed_trading_order": update(Order, ORDER_CHANGES),
    "new_trading_trade": insert(Trade, leave_out=["id"]),
    "changed_risk_position": update(Position, POSITION_CHANGES),
    "new_risk_position": insert(Position, leave_out=["id"]),
    "new_accounts_transfer": insert(Transfer, leave_out=["id"]),
    "changed_risk_reservation": RESERVE,
}
# PostgreSQL runs parts when they are read, not as they are written: a position must be closed
# before the next one of the same instrument opens, and the shared rows come last.
AFTER_CHANGES: Final = " WHERE (SELECT count(*) FROM changed_risk_position) >= 0"
# A new order is stored as it is answered. Until then it knows only what its account had added to
# global exposure by its turn.
FIRST_ANSWER: Final = {
    "answered_filled_size": "filled_size",
    "answered_average_price": "average_price",
    "global_exposure_after": "(SELECT total.total FROM total) - %(exposure_change)s::numeric"
    " + global_exposure_after",
}
# The rows of several instruments are locked in one order, so that two bookings cannot wait in a
# circle.
SHARED_ROWS: Final = """
changes AS MATERIALIZED (
    SELECT * FROM doc, jsonb_to_recordset(j -> 'exposures') AS change(
        instrument_id bigint, mark_price numeric,
        long_quantity numeric, short_quantity numeric, order_notional numeric
    )
),
locked AS (
    SELECT instrument_id FROM risk_instrumentexposure
    WHERE (SELECT rows FROM written) >= 0
        AND instrument_id IN (SELECT instrument_id FROM changes)
    ORDER BY instrument_id FOR UPDATE
),
moved AS (
    UPDATE risk_instrumentexposure AS exposure
    SET long_quantity = exposure.long_quantity + change.long_quantity,
        short_quantity = exposure.short_quantity + change.short_quantity,
        order_notional = exposure.order_notional + change.order_notional
    FROM changes AS change
    WHERE (SELECT count(*) FROM locked) >= 0
        AND exposure.instrument_id = change.instrument_id
        AND (change.mark_price IS NULL OR exposure.mark_price = change.mark_price)
    RETURNING exposure.instrument_id
),
total AS (
    UPDATE risk_globalexposure SET total = total + %(exposure_change)s
    WHERE %(exposures)s > 0 AND (SELECT count(*) FROM moved) = %(exposures)s
        AND (%(peak)s::numeric IS NULL OR total + %(peak)s <= %(threshold)s)
    RETURNING total
)"""


@cache
def statement(parts: tuple[str, ...]) -> str:
    """Return the statement that writes these parts, the shared rows, and last the new orders."""
    clauses = [
        *clauses_of(parts),
        SHARED_ROWS,
        f"new_trading_order AS ({insert(Order, **FIRST_ANSWER)})",
    ]
    outcome = "SELECT (SELECT count(*) FROM moved), (SELECT total.total FROM total)"
    return f"WITH {', '.join(clauses)} {outcome}"


def clauses_of(parts: Sequence[str]) -> list[str]:
    """Return a clause per part; few combinations occur, so that their statements are prepared."""
    written = " + ".join(["0", *(f"(SELECT count(*) FROM {part})" for part in parts)])
    bodies = {part: PARTS[part] for part in parts}
    if {"changed_risk_position", "new_risk_position"} <= bodies.keys():
        bodies["new_risk_position"] += AFTER_CHANGES
    return [
        "doc AS MATERIALIZED (SELECT %(doc)s::jsonb AS j)",
        *(f"{part} AS ({body} RETURNING 1)" for part, body in bodies.items()),
        f"written AS (SELECT {written} AS rows)",
    ]


def write(changes: AccountChanges, *, threshold: Decimal = ZERO) -> None:
    """Store changes and complete their new orders with global exposure after each, in USDT.

    Raises MarkMoved or GlobalExposureExceeded; the caller's transaction must then be rolled back.
    The threshold holds back only changes in which an order adds risk.
    """
    total = write_shared(
        document([changes]), changes.exposures, peak=changes.peak, threshold=threshold
    )
    for order in changes.new_orders:
        if order.global_exposure_after is not None:
            order.global_exposure_after += total - changes.exposures.value


def write_shared(
    doc: Document,
    exposures: ExposureChanges,
    *,
    peak: Decimal | None = None,
    threshold: Decimal = ZERO,
) -> Decimal:
    """Store a document and move exposure; return what global exposure is then, in USDT."""
    moving = {**doc, "exposures": exposure_rows(exposures)}
    parameters: dict[str, Any] = {
        "doc": json.dumps(moving, default=str),
        "exposure_change": exposures.value,
        "exposures": len(exposures.by_instrument),
        "peak": peak,
        "threshold": threshold,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement(parts_of(doc)), parameters)
        moved, total = cursor.fetchone()
    if moved != len(exposures.by_instrument):
        raise MarkMoved
    if moved and total is None:
        raise GlobalExposureExceeded
    return total or ZERO


def lock_exposures(instrument_ids: Iterable[int]) -> None:
    """Lock exposure rows in the order in which ``write`` does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM risk_instrumentexposure WHERE instrument_id = ANY(%s) "
            "ORDER BY instrument_id FOR UPDATE",
            [sorted(instrument_ids)],
        )


def lock_headroom(snapshot: RiskSnapshot) -> Decimal:
    """Lock exposure and return how much it may still grow, in USDT; negative when above."""
    lock_exposures(instrument.id for instrument in snapshot.instruments.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT total FROM risk_globalexposure FOR UPDATE")
        [total] = cursor.fetchone()
    return snapshot.limits.global_exposure_threshold - total


def document(group: Sequence[AccountChanges]) -> Document:
    """Return changes as the rows that the statement reads, by the names of PARTS."""
    return {
        "new_trading_order": [stored(order) for one in group for order in one.new_orders],
        "changed_trading_order": [changed(order) for one in group for order in one.changed_orders],
        "new_trading_trade": [trade for one in group for trade in one.trades],
        "new_trading_liquidation": [stored(one.liquidation) for one in group if one.liquidation],
        "new_risk_position": [vars(row) for one in group for row in one.new_positions],
        "changed_risk_position": [
            vars(row) for one in group for row in one.changed_positions.values()
        ],
        "new_accounts_transfer": [transfer for one in group for transfer in one.transfers],
        "changed_risk_reservation": [reservation(one) for one in group if one.reservation_changed],
    }


def parts_of(doc: Document) -> tuple[str, ...]:
    """Return the parts of which a document has rows."""
    return tuple(part for part in PARTS if doc.get(part))


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


def stored(instance: Model) -> Row:
    """Return the columns of an instance that are not null."""
    values = ((name, getattr(instance, attname)) for name, attname in columns(type(instance)))
    return {name: value for name, value in values if value is not None}


def changed(order: Order) -> Row:
    """Return of a changed order its id and what may change, as far as it is not null."""
    values = ((name, getattr(order, name)) for name in ("id", *ORDER_CHANGES))
    return {name: value for name, value in values if value is not None}
