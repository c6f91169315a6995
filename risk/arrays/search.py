"""Which accounts can fall below a level, and at which step each first does.

Equity is linear in the marks, so that its least value while marks stay in a box stands at a corner:
a block of steps is tested by its box once, and only who may fall is valued at each of its steps.
"""

import numpy as np

from risk.arrays.books import Book, of
from risk.arrays.units import Whole

#: Values that are computed at a time, so that few steps and many accounts take little memory.
CHUNK = 1 << 18


def may_fall_below(
    book: Book, level: Whole, lows: Whole, highs: Whole, rows: Whole | None = None
) -> Whole:
    """Return the rows that hold something and may have less equity than their ``level`` [N].

    That is while marks [I] lie within ``lows`` and ``highs``, both included. Only ``rows`` are
    looked at, if given.
    """
    if rows is None:
        rows = np.flatnonzero(book.lots.any(axis=0))
    lots, bounds = of(book.lots, rows), (book.lot_values(lows), book.lot_values(highs))
    at_low, at_high = (lots * values[:, None] for values in bounds)
    gain = np.minimum(at_low, at_high, out=at_low)
    gain -= of(book.cost, rows)
    least = gain.sum(axis=0) + of(book.balance, rows)
    return rows[(least < level[rows]) & lots.any(axis=0)]


def first_below(book: Book, rows: Whole, level: Whole, marks: Whole) -> Whole:
    """Return for each of ``rows`` the first of the steps [T, I] that brings it below ``level`` [N].

    −1 where none does. What is held stays as it is meanwhile.
    """
    book.lot_values(marks.max(axis=0))
    size = max(CHUNK // len(marks), 1)
    chunks = (rows[start : start + size] for start in range(0, len(rows), size))
    return np.concatenate([rows[:0], *(first_of(book, chunk, level, marks) for chunk in chunks)])


def first_of(book: Book, rows: Whole, level: Whole, marks: Whole) -> Whole:
    worth = book.lots[:, rows] * book.instruments.unit[:, None]
    spare = book.balance[rows] - book.cost[:, rows].sum(axis=0) - level[rows]
    slack = np.multiply.outer(worth[0], marks[:, 0])
    for value, path in zip(worth[1:], marks.T[1:], strict=True):
        slack += np.multiply.outer(value, path)
    below = slack < -spare[:, None]
    return np.where(below.any(axis=1), below.argmax(axis=1), -1)
