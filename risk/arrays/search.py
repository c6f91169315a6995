"""Which accounts can fall below a level while marks stay in a box.

Equity is linear in the marks, so that its least value there stands at a corner: a block of steps is
tested by its box once, and only who may fall is valued at each of its steps. What brackets require
moves by less than equity does, their rates being below one: equity less that still falls with the
mark of a long position, rises with that of a short one, and is least at the same corner.
"""

import numpy as np

from risk.arrays.books import Book, of
from risk.arrays.maintenance import Requirements
from risk.arrays.units import Whole


def may_fall_below(
    book: Book,
    level: Whole,
    lows: Whole,
    highs: Whole,
    rows: Whole | None = None,
    by_marks: Requirements | None = None,
) -> Whole:
    """Return the rows that hold something and may have less equity than their ``level`` [N].

    That is while marks [I] lie within ``lows`` and ``highs``, both included. Only ``rows`` are
    looked at, if given. ``by_marks`` is what positions require, where that depends on the marks:
    who may have less than that is among them too.
    """
    if rows is None:
        rows = np.flatnonzero(book.lots.any(axis=0))
    lots, bounds = of(book.lots, rows), (book.lot_values(lows), book.lot_values(highs))
    at_low, at_high = (lots * values[:, None] for values in bounds)
    gain = np.minimum(at_low, at_high, out=at_low)
    least_allowed = level[rows]
    if by_marks is not None:
        required = by_marks.needed(np.abs(gain), of(book.margin, rows))
        least_allowed = np.maximum(least_allowed, required)
    gain -= of(book.cost, rows)
    least = gain.sum(axis=0) + of(book.balance, rows)
    return rows[(least < least_allowed) & lots.any(axis=0)]
