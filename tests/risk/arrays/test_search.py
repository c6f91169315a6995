"""A search finds exactly the accounts that fall below a level at some corner of a box of marks."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator

from risk.arrays.books import Book
from risk.arrays.maintenance import requirements
from risk.arrays.rules import Rules
from risk.arrays.search import may_fall_below
from risk.arrays.units import LARGEST, OutOfRange, Whole
from risk.maintenance import BRACKETS, requirement_of
from risk.policy import PRESETS, policy_from
from tests.each import each
from tests.risk.arrays.cases import HUGE, TINY, USUAL, Case, Scale, cases, needed, random_case


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


def test_by_brackets_who_may_fall_is_who_is_below_at_a_corner_or_a_mark_within() -> None:
    """At no mark of the box is anybody below who is not at a corner."""
    found = spared = 0
    for rng, case in cases(seed=8, margin_modes=[BRACKETS]):
        book, (lows, highs) = case.book, box_of(rng, case)
        by = requirements(requirement_of(case.policy), book.instruments.symbols)
        never = np.full_like(book.balance, -10 * LARGEST)
        rows = may_fall_below(book, never, lows, highs, by_marks=by)
        corners = [np.array(corner) for corner in product(*zip(lows, highs, strict=True))]
        within = [rng.integers(lows, highs + 1) for _ in range(5)]
        below = [book.equity(at) < needed(book, at, case.policy) for at in (*corners, *within)]
        at_a_corner = np.any(below[: len(corners)], axis=0)
        assert rows.tolist() == np.flatnonzero(at_a_corner).tolist()
        assert not (np.any(below, axis=0) & ~at_a_corner).any()
        found, spared = found + len(rows), spared + len(book.balance) - len(rows)
    assert min(found, spared) > 300


prices = st.integers(1, 40)
held = st.tuples(st.integers(-9, 9), st.integers(0, 200), prices, prices)
LADDER = "AAA 1: 0.1 9x, 2: 0.2 3x, 40: 0.5 2x, 90000: 0.99999999 1x"


@given(st.lists(held, min_size=1, max_size=3), st.integers(0, 10**9), st.data())
def test_what_is_spared_is_concave_and_least_at_the_corner_of_its_side(
    positions: list[tuple[int, int, int, int]], balance: int, data: st.DataObject
) -> None:
    """In each mark by itself: between two others it is no less than in proportion."""
    values = {"margin_mode": BRACKETS, "maintenance_brackets": LADDER}
    by = requirement_of(policy_from(values, PRESETS["seed"]))

    def spared(marks: Sequence[int]) -> Fraction:
        """Equity less what is required, of lots of a quarter of a USDT a tick."""
        both = zip(positions, marks, strict=True)
        worth = [(Decimal(lots * mark) / 4, Decimal(tied)) for (lots, tied, _, _), mark in both]
        gained = sum((value - tied for value, tied in worth), Decimal(balance))
        required = (
            by.of("AAA", quantity=value, mark_price=Decimal(1), margin=tied)
            for value, tied in worth
        )
        return Fraction(gained) - sum(map(Fraction, required))

    box = [(min(one[2:]), max(one[2:])) for one in positions]
    corner = [low if one[0] > 0 else high for one, (low, high) in zip(positions, box, strict=True)]
    marks = [data.draw(st.integers(*sides)) for sides in box]
    assert spared(marks) >= spared(corner)
    number = data.draw(st.integers(0, len(box) - 1))
    low, high = box[number]
    ends = [spared([*marks[:number], end, *marks[number + 1 :]]) for end in (low, high)]
    weight = Fraction(marks[number] - low, (high - low) or 1)
    assert spared(marks) >= (1 - weight) * ends[0] + weight * ends[1]


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
