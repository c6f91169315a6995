"""Writes the changes of a group of accounts; rows that all accounts share come last and briefly.

An order's row says what global exposure is after it, so that it has to follow the shared rows. The
changes of close-outs need no such figure: everything of their own is written and checked first.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Final

from django.db import connection

from risk.exposure import ExposureChanges
from trading.booking.changes import AccountChanges
from trading.booking.writing import clauses_of, document, insert, parts_of, write_shared
from trading.models import Order

NEW_ORDERS: Final = f"new_trading_order AS ({insert(Order)})"
# Foreign keys would else be checked at the commit, while others wait for the shared rows.
CHECK_NOW: Final = "SET CONSTRAINTS ALL IMMEDIATE"
CHECK_AT_COMMIT: Final = "SET CONSTRAINTS ALL DEFERRED"


def write_group(group: Sequence[AccountChanges]) -> None:
    """Store changes in which no order adds risk. Raises MarkMoved: then roll back."""
    doc = document(group)
    with connection.cursor() as cursor:
        cursor.execute(own_rows(parts_of(doc)), {"doc": json.dumps(doc, default=str)})
        cursor.execute(CHECK_NOW)
        cursor.execute(CHECK_AT_COMMIT)
    write_shared({}, exposure_changes_of(group))


@cache
def own_rows(parts: tuple[str, ...]) -> str:
    """Return the statement that writes these parts and the new orders."""
    return f"WITH {', '.join([*clauses_of(parts), NEW_ORDERS])} SELECT rows FROM written"


def exposure_changes_of(group: Sequence[AccountChanges]) -> ExposureChanges:
    """Return what a group changes together; its accounts saw the same marks."""
    together = ExposureChanges()
    for changes in group:
        for instrument_id, (mark_price, change) in changes.exposures.by_instrument.items():
            together.add(instrument_id, mark_price, change)
    return together
