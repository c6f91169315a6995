"""Places market orders of many accounts: held against the rules, filled, booked.

As if one were booked after the other. An order fills at the mark, at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from risk.arrays.books import Book
from risk.arrays.fills import Fills, book_fills, fill
from risk.arrays.orders import Facing, Orders
from risk.arrays.refusals import NUMBERS, Codes, hold_to_threshold, refusals
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.throttle import Throttle
from risk.arrays.units import Flags, Whole


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """What orders did, nothing where one was refused. ``filled`` is signed, its parts are not."""

    code: Codes
    filled: Whole
    closed: Whole
    opened: Whole
    realized: Whole
    fee: Whole
    notional: Whole

    def first(self, count: int) -> "Placed":
        """Return what the first so many did."""
        return Placed(*(getattr(self, column.name)[:count] for column in fields(self)))


def place(
    book: Book,
    rules: Rules,
    orders: Orders,
    marks: Whole,
    total_exposure: int | Sequence[int],
    bands: Whole | None = None,
    sent: Sent | None = None,
    throttle: Throttle | None = None,
) -> Placed:
    """Hold orders against the rules at marks [I], and fill and book those that pass.

    Orders of several steps may be placed together, with marks [I, n] that are each order's own.
    ``total_exposure`` is that of all accounts before the orders, at each order's marks where these
    differ. ``bands``, in the shape of marks, are those of volatility, none unless given. ``sent``
    is what the accounts have sent lately, and takes in these orders; None where that is nothing and
    nobody will ask. ``throttle`` counts their fills, where they count. Fees leave the balances.
    Raises OutOfRange, with the book as it was, where an order is too large, or an account would be.
    """
    facing = Facing(book, rules, orders, marks, bands, sent, throttle)
    fills = fill(facing)
    code, refused = np.zeros(len(orders.rows), np.int8), refusals(facing, fills)
    for denial in sorted(refused, key=NUMBERS.__getitem__, reverse=True):
        code[refused[denial]] = NUMBERS[denial]
    hold_to_threshold(code, facing, fills, total_exposure)
    passed = code == 0
    if sent is not None:
        note_sent(sent, facing, fills, passed)
    if throttle is not None:
        throttle.note(orders.rows[passed])
    if code.any():
        kept = passed.astype(np.int64)
        fills = Fills(*(column * kept for column in fills))
    book_fills(facing, fills)
    return Placed(code, *fills[:6])


def note_sent(sent: Sent, facing: Facing, fills: Fills, passed: Flags) -> None:
    """Add accepted orders to what is sent; those that only reduce count for nothing."""
    columns = facing.orders.rows, facing.instrument, facing.orders.lots
    value = np.where(fills.opened > 0, facing.asked * facing.value, 0)
    sent.add(*(column[passed] for column in (*columns, value)))
