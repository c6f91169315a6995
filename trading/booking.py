"""Writes a book in one statement, all of it or nothing.

Rows travel as one JSON document, whose keys are column names, so that the statement has the same
text for one order and for fifty and costs one round trip. The exposure rows are the only rows that
orders of different accounts share; they are locked last, until the commit that follows.
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

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


def next_ids(model: type[Model], count: int) -> list[int]:
    """Reserve ``count`` primary keys of ``model``."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [table, count],
        )
        return [row[0] for row in cursor.fetchall()]


@cache
def columns(model: type[Model]) -> dict[str, str]:
    """Return the columns of a model with the attribute that holds each."""
    return {str(field.column): field.attname for field in model._meta.concrete_fields}


def insert(
    model: type[Model], *, leave_out: Sequence[str] = (), after: str = "", **computed: str
) -> str:
    """Return an INSERT of the document's rows of ``model``; ``computed`` gives SQL per column.

    ``after`` names the part of the statement that must have run before: PostgreSQL runs parts
    when they are read, not as they are written.
    """
    table = model._meta.db_table
    names = [c for c in columns(model) if c not in leave_out]
    values = ", ".join(computed.get(name, name) for name in names)
    condition = f"WHERE (SELECT count(*) FROM {after}) >= 0 " if after else ""
    return (
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} "
        f"FROM doc, jsonb_populate_recordset(NULL::{table}, doc.j -> 'new_{table}') "
        f"{condition}RETURNING id"
    )


def update(model: type[Model], names: Sequence[str]) -> str:
    """Return an UPDATE by primary key of the document's changed rows of ``model``."""
    table = model._meta.db_table
    assignments = ", ".join(f"{name} = new.{name}" for name in names)
    return (
        f"UPDATE {table} AS old SET {assignments} "
        f"FROM doc, jsonb_populate_recordset(NULL::{table}, doc.j -> 'changed_{table}') AS new "
        f"WHERE old.id = new.id RETURNING old.id"
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

# Up to here an order knows only what the book had added by then.
EXPOSURE_AFTER = (
    "(SELECT total.total FROM total) - %(exposure_change)s::numeric + global_exposure_after"
)

WRITE_BOOK = f"""
WITH doc AS MATERIALIZED (SELECT %(doc)s::jsonb AS j),
new_liquidations AS ({insert(Liquidation)}),
changed_orders AS ({update(Order, ORDER_CHANGES)}),
new_trades AS ({insert(Trade, leave_out=["id"])}),
changed_positions AS ({update(Position, POSITION_CHANGES)}),
new_transfers AS ({insert(Transfer, leave_out=["id"])}),
new_positions AS ({insert(Position, leave_out=["id"], after="changed_positions")}),
reservation AS (
    INSERT INTO risk_marginaccount (account_id, reserved_margin, reserved_notional)
    SELECT (j ->> 'account_id')::bigint, (j ->> 'reserved_margin')::numeric,
           (j ->> 'reserved_notional')::numeric
    FROM doc WHERE (j ->> 'reservation_changed')::boolean
    ON CONFLICT (account_id) DO UPDATE
        SET reserved_margin = excluded.reserved_margin,
            reserved_notional = excluded.reserved_notional
    RETURNING account_id
),
written AS (
    SELECT (SELECT count(*) FROM new_trades) + (SELECT count(*) FROM new_positions)
         + (SELECT count(*) FROM new_transfers) + (SELECT count(*) FROM changed_orders)
         + (SELECT count(*) FROM reservation) AS rows
),
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
),
new_orders AS (
    {insert(Order, global_exposure_after=EXPOSURE_AFTER)}
)
SELECT (SELECT count(*) FROM moved), (SELECT total.total FROM total)
"""


def write(book: Book, *, threshold: Decimal = ZERO) -> None:
    """Store a book and complete its new orders with global exposure after each, in USDT.

    Raises MarkMoved or GlobalExposureExceeded; the caller's transaction must then be rolled back.
    The threshold holds back only a book in which an order adds risk.
    """
    change = book.exposure_change
    parameters: dict[str, Any] = {
        "doc": json.dumps(document(book), default=str),
        "exposure_change": change,
        "exposures": len(book.exposures),
        "peak": book.peak,
        "threshold": threshold,
    }
    with connection.cursor() as cursor:
        if len(book.exposures) > 1:
            lock_exposures(book.exposures)
        cursor.execute(WRITE_BOOK, parameters)
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
    """Return the book as the JSON document that WRITE_BOOK reads."""
    state = book.state
    return {
        "account_id": state.account_id,
        "reserved_margin": state.reserved_margin,
        "reserved_notional": state.reserved_notional,
        "reservation_changed": book.reservation_changed,
        "new_trading_order": rows(book.new_orders),
        "changed_trading_order": rows(book.changed_orders),
        "new_trading_trade": rows(book.trades),
        "new_trading_liquidation": rows([book.liquidation] if book.liquidation else []),
        "new_risk_position": rows(book.new_positions),
        "changed_risk_position": rows(book.changed_positions),
        "new_accounts_transfer": rows(book.transfers),
        "exposures": [
            {
                "instrument_id": instrument_id,
                "mark_price": mark_price,
                "long_quantity": change.long_quantity,
                "short_quantity": change.short_quantity,
                "order_notional": change.order_notional,
            }
            for instrument_id, (mark_price, change) in book.exposures.items()
        ],
    }


def rows(instances: Sequence[Model]) -> list[dict[str, Any]]:
    """Return unsaved rows as dictionaries by column name."""
    return [
        {column: getattr(instance, name) for column, name in columns(type(instance)).items()}
        for instance in instances
    ]
