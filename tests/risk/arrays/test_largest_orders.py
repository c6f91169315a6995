"""Orders and accounts up to the largest amount, and beyond it."""

import numpy as np
import pytest

from risk.arrays.books import Book, Instruments
from risk.arrays.placing import place
from risk.arrays.units import LARGEST, OutOfRange
from tests.each import each
from tests.risk.arrays.cases import TINY
from tests.risk.arrays.lone import FREE, LOT, code_of, lone, order

MOST = LARGEST // LOT


def test_an_order_of_the_largest_amount_is_placed_and_one_lot_more_is_refused() -> None:
    for lots in (MOST, -MOST):
        book = lone(LARGEST)
        assert code_of(book, order(lots)) is None
        assert (book.lots[0, 0], abs(book.cost[0, 0]), book.margin[0, 0]) == (
            lots,
            LARGEST,
            LARGEST,
        )
        with pytest.raises(OutOfRange, match="An order is for more than 9,000,000,000 USDT"):
            code_of(lone(LARGEST), order(lots + (1 if lots > 0 else -1)))


def test_a_lot_above_the_largest_amount_is_seen_where_a_float_would_not_see_it() -> None:
    """Of lots of 7 units the amount holds 128,571,428,571,428,571, which no float is near."""
    book = Book.empty(Instruments.of(TINY.listed), np.zeros(1, np.int8), np.array([LARGEST]))
    marks = np.array([1, 7, 1])
    with pytest.raises(OutOfRange, match="An order"):
        place(book, FREE, order(LARGEST // 7 + 1, instrument=1), marks, 0)


def test_an_account_may_come_to_hold_the_largest_amount() -> None:
    half = {"lots": MOST // 2, "cost": LARGEST // 2, "margin": LARGEST // 2}
    book = lone(LARGEST, **half)
    assert code_of(book, order(MOST // 2)) is None
    assert (book.lots[0, 0], book.cost[0, 0], book.margin[0, 0]) == (MOST, LARGEST, LARGEST)


@each(
    ("held", "lots"),
    [
        # Exposure: the largest and a lot that was held before, and had cost nothing.
        ({"lots": 1}, MOST),
        # Cost: the largest exposure, of which a lot was bought at twice the mark.
        ({"lots": 1, "cost": 2 * LOT}, MOST - 1),
        # Margin: a third and a unit are tied up, and a third of gains pays for two thirds more.
        ({"lots": MOST // 3, "margin": LARGEST // 3 + 1}, MOST // 3 * 2),
        # Balance: the gain of a third comes to it.
        ({"lots": MOST // 3}, -100),
    ],
)
def test_an_account_that_would_become_too_large_is_left_as_it_was(
    held: dict[str, int], lots: int
) -> None:
    book = lone(LARGEST, **held)
    before = book.copy()
    with pytest.raises(OutOfRange, match="Account 0"):
        code_of(book, order(lots))
    for name in ("balance", "lots", "cost", "margin"):
        assert (getattr(book, name) == getattr(before, name)).all()
    at_most = {"lots": 0, "cost": 0, "margin": held.get("margin", 0) and LARGEST // 3}
    assert code_of(lone(LARGEST, **at_most), order(MOST // 3 * 2)) is None
