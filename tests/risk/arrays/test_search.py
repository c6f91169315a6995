"""A search finds exactly the accounts that fall below a level at some corner of a box of marks."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.random import Generator

from risk.arrays.books import Book
from risk.arrays.rules import Rules
from risk.arrays.search import may_fall_below
from risk.arrays.units import LARGEST, OutOfRange, Whole
from tests.each import each
from tests.risk.arrays.cases import HUGE, TINY, USUAL, Case, Scale, cases, random_case


def box_of(rng: Generator, case: Case) -> tuple[Whole, Whole]:
    """Return lows and highs around the marks of a case, within what its scale knows."""
    low, high = np.array(case.scale.prices).T
    ways = rng.integers(0, 5, (2, len(low))) * np.maximum((high - low) // 40, 1)
    return np.maximum(case.marks - ways[0], low), np.minimum(case.marks + ways[1], high)


def level_of(rng: Generator, case: Case) -> Whole:
    """Return the level of a breach, but for some accounts that of a stop, with nothing held too."""
    needed = case.book.needed(Rules.of(case.policy).threshold)
    return np.where(rng.random(len(needed)) < 0.2, case.book.balance + 3, needed)


def test_who_may_fall_is_who_is_below_at_a_corner_of_the_box() -> None:
    found = spared = 0
    for rng, case in cases(seed=7):
        book, level, (lows, highs) = case.book, level_of(rng, case), box_of(rng, case)
        corners = product(*zip(lows, highs, strict=True))
        least = np.min([book.equity(np.array(corner)) for corner in corners], axis=0)
        holds = book.lots.any(axis=0)
        rows = may_fall_below(book, level, lows, highs)
        assert rows.tolist() == np.flatnonzero((least < level) & holds).tolist()
        some = np.flatnonzero(rng.random(len(level)) < 0.5)
        among = may_fall_below(book, level, lows, highs, some)
        assert among.tolist() == np.intersect1d(rows, some).tolist()
        found, spared = found + len(rows), spared + len(level) - len(rows)
    assert min(found, spared) > 300


@each("scale", [TINY, USUAL, HUGE])
def test_an_account_at_its_level_is_left_alone_and_one_a_unit_below_is_found(scale: Scale) -> None:
    case = random_case(np.random.default_rng(9), scale)
    book, marks = case.book, case.marks
    level = book.equity(marks)
    assert len(may_fall_below(book, level, marks, marks)) == 0
    holds = np.flatnonzero(book.lots.any(axis=0))
    assert may_fall_below(book, level + 1, marks, marks).tolist() == holds.tolist()


def test_a_box_in_which_a_position_is_worth_too_much_is_refused() -> None:
    book = lone_long()
    level, at_most = np.zeros(1, np.int64), np.array([9_000_000, 1])
    assert may_fall_below(book, level, at_most // 2, at_most).tolist() == [0]
    with pytest.raises(OutOfRange):
        may_fall_below(book, level, at_most // 2, at_most + 1)


def lone_long() -> Book:
    """An account whose 10^11 lots are worth the largest amount at a mark of 9,000,000 ticks."""
    book = random_case(np.random.default_rng(12), HUGE, accounts=1).book
    lots = np.array([[LARGEST // 90_000_000], [0]])
    return replace(book, lots=lots, cost=lots * 90_000_000 * 7 // 10, balance=np.zeros(1, np.int64))
