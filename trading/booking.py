"""Writes a book in one statement, all of it or nothing.

Rows travel as one JSON document, whose keys are column names, so that the statement has the same
text for one order and for fifty and costs one round trip. The exposure rows are the only rows that
orders of different accounts share; they are locked last, until the commit that follows.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import Model

from accounts.models import Transfer
from market.amounts import ZERO
from risk.models import Position
from risk.state import RiskSnapshot
from trading.book import Book
from trading.models import Liquidation, Order, Trade


class MarkMoved(Exception):
    """A market step changed the mark price meanwhile: decide again."""


class GlobalExposureExceeded(Exception):
    """The book would lift global exposure above its threshold."""


@cache
def columns(model: type[Model]) -> dict[str, str]:
    """Return the columns of a model with the attribute that holds each."""
    return {str(field.column): field.attname for field in model._meta.concrete_fields}


def insert(model: type[Model], *, leave_out: Sequence[str] = (), **computed: str) -> str:
    """Return an INSERT of the document's rows of ``model``; ``computed`` gives SQL per column."""
    table = model._meta.db_table
    names = [c for c in columns(model) if c not in leave_out]
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
    "accepted_as",
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
INSERT INTO risk_marginaccount (account_id, reserved_margin, reserved_notional)
SELECT account_id, reserved_margin, reserved_notional
FROM doc, jsonb_populate_recordset(NULL::risk_marginaccount, j -> 'changed_risk_marginaccount')
ON CONFLICT (account_id) DO UPDATE
    SET reserved_margin = excluded.reserved_margin,
        reserved_notional = excluded.reserved_notional"""

#: What a book may have to write, each part under the name of its rows in the document.
PARTS: Final = {
    "new_trading_liquidation": insert(Liquidation),
    "changed_trading_order": update(Order, ORDER_CHANGES),
    "new_trading_trade": insert(Trade, leave_out=["id"]),
    "changed_risk_position": update(Position, POSITION_CHANGES),
    "new_risk_position": insert(Position, leave_out=["id"]),
    "new_accounts_transfer": insert(Transfer, leave_out=["id"]),
    "changed_risk_marginaccount": RESERVE,
}
# PostgreSQL runs parts when they are read, not as they are written: a position must be closed
# before the next one of the same instrument opens, and the shared rows come last.
AFTER_CHANGES: Final = " WHERE (SELECT count(*) FROM changed_risk_position) >= 0"
# Until it is stored, an order knows only what its book had added to global exposure by then.
EXPOSURE_AFTER: Final = (
    "(SELECT total.total FROM total) - %(exposure_change)s::numeric + global_exposure_after"
)
SHARED_ROWS: Final = """
moved AS (
    UPDATE risk_instrumentexposure AS exposure
    SET long_quantity = exposure.long_quantity + change.long_quantity,
        short_quantity = exposure.short_quantity + change.short_quantity,
        order_notional = exposure.order_notional + change.order_notional
    FROM doc, jsonb_to_recordset(j -> 'exposures') AS change(
        instrument_id bigint, mark_price numeric,
        long_quantity numeric, short_quantity numeric, order_notional numeric
    )
    WHERE (SELECT rows FROM written) >= 0
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
    """Return the statement that writes these parts; few combinations occur, each is prepared."""
    written = " + ".join(["0", *(f"(SELECT count(*) FROM {part})" for part in parts)])
    bodies = {part: PARTS[part] for part in parts}
    if {"changed_risk_position", "new_risk_position"} <= bodies.keys():
        bodies["new_risk_position"] += AFTER_CHANGES
    clauses = [
        "doc AS MATERIALIZED (SELECT %(doc)s::jsonb AS j)",
        *(f"{part} AS ({body} RETURNING 1)" for part, body in bodies.items()),
        f"written AS (SELECT {written} AS rows)",
        SHARED_ROWS,
        f"new_trading_order AS ({insert(Order, global_exposure_after=EXPOSURE_AFTER)})",
    ]
    outcome = "SELECT (SELECT count(*) FROM moved), (SELECT total.total FROM total)"
    return f"WITH {', '.join(clauses)} {outcome}"


def write(book: Book, *, threshold: Decimal = ZERO) -> None:
    """Store a book and complete its new orders with global exposure after each, in USDT.

    Raises MarkMoved or GlobalExposureExceeded; the caller's transaction must then be rolled back.
    The threshold holds back only a book in which an order adds risk.
    """
    doc, change = document(book), book.exposure_change
    parameters: dict[str, Any] = {
        "doc": json.dumps(doc, default=str),
        "exposure_change": change,
        "exposures": len(book.exposures),
        "peak": book.peak,
        "threshold": threshold,
    }
    with connection.cursor() as cursor:
        if len(book.exposures) > 1:
            lock_exposures(book.exposures)
        cursor.execute(statement(tuple(part for part in PARTS if doc[part])), parameters)
        moved, total = cursor.fetchone()
    if moved != len(book.exposures):
        raise MarkMoved
    if book.exposures and total is None:
        raise GlobalExposureExceeded
    for order in book.new_orders:
        if order.global_exposure_after is not None:
            order.global_exposure_after += total - change


def lock_exposures(instrument_ids: Iterable[int]) -> None:
    """Lock several exposure rows in one order, so that two bookings cannot wait in a circle."""
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


def document(book: Book) -> dict[str, Any]:
    """Return the book as the JSON document that the statement reads."""
    return {
        "new_trading_order": rows(book.new_orders),
        "changed_trading_order": rows(book.changed_orders),
        "new_trading_trade": rows(book.trades),
        "new_trading_liquidation": rows([book.liquidation] if book.liquidation else []),
        "new_risk_position": rows(book.new_positions),
        "changed_risk_position": rows(book.changed_positions),
        "new_accounts_transfer": rows(book.transfers),
        "changed_risk_marginaccount": [reservation(book)] if book.reservation_changed else [],
        "exposures": [
            {"instrument_id": instrument_id, "mark_price": mark_price, **asdict(change)}
            for instrument_id, (mark_price, change) in book.exposures.items()
        ],
    }


def reservation(book: Book) -> dict[str, Any]:
    """Return what open orders of the account reserve from now on."""
    return {
        "account_id": book.state.account_id,
        "reserved_margin": book.state.reserved_margin,
        "reserved_notional": book.state.reserved_notional,
    }


def rows(instances: Sequence[Model]) -> list[dict[str, Any]]:
    """Return unsaved rows as dictionaries by column name."""
    return [
        {column: getattr(instance, name) for column, name in columns(type(instance)).items()}
        for instance in instances
    ]
