"""A search finds whoever can fall below a level, and the very step at which each first does."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.random import Generator

from risk.arrays.books import Book
from risk.arrays.rules import Rules
from risk.arrays.search import CHUNK, first_below, may_fall_below
from risk.arrays.units import LARGEST, OutOfRange, Whole
from tests.risk.arrays.cases import HUGE, TINY, USUAL, Case, Scale, cases, random_case


def path_of(rng: Generator, case: Case, steps: int) -> Whole:
    """Return marks [T, I] around those of a case, within what its scale knows."""
    low, high = np.array(case.scale.prices).T
    moves = rng.integers(-3, 4, (steps, len(low))) * np.maximum((high - low) // 40, 1)
    return np.clip(case.marks + moves.cumsum(axis=0), low, high)


def level_of(rng: Generator, case: Case) -> Whole:
    """Return the level of a breach, but for some accounts that of a stop, with nothing held too."""
    needed = case.book.needed(Rules.of(case.policy).threshold)
    return np.where(rng.random(len(needed)) < 0.2, case.book.balance + 3, needed)


def test_who_may_fall_is_who_is_below_at_a_corner_of_the_box() -> None:
    found = spared = 0
    for rng, case in cases(seed=7):
        book, level, path = case.book, level_of(rng, case), path_of(rng, case, 5)
        lows, highs = path.min(axis=0), path.max(axis=0)
        corners = product(*zip(lows, highs, strict=True))
        least = np.min([book.equity(np.array(corner)) for corner in corners], axis=0)
        holds = book.lots.any(axis=0)
        rows = may_fall_below(book, level, lows, highs)
        assert rows.tolist() == np.flatnonzero((least < level) & holds).tolist()
        found, spared = found + len(rows), spared + len(level) - len(rows)
    assert min(found, spared) > 300


def test_the_first_step_below_is_that_of_looking_at_each() -> None:
    never = later = 0
    for rng, case in cases(seed=8):
        book, level, path = case.book, level_of(rng, case), path_of(rng, case, 12)
        holds = np.flatnonzero(book.lots.any(axis=0))
        steps = first_below(book, holds, level, path)
        below = np.array([book.equity(marks) < level for marks in path])
        assert steps.tolist() == [first(below[:, row]) for row in holds]
        watched = may_fall_below(book, level, path.min(axis=0), path.max(axis=0))
        assert np.isin(holds[steps >= 0], watched).all()
        never, later = never + int((steps < 0).sum()), later + int((steps > 0).sum())
    assert min(never, later) > 30


def first(below: np.ndarray) -> int:
    return below.tolist().index(True) if below.any() else -1


@pytest.mark.parametrize("scale", [TINY, USUAL, HUGE])
def test_an_account_at_its_level_is_left_alone_and_one_a_unit_below_is_found(scale: Scale) -> None:
    case = random_case(np.random.default_rng(9), scale)
    book, marks = case.book, case.marks
    level = book.equity(marks)
    assert len(may_fall_below(book, level, marks, marks)) == 0
    assert (first_below(book, np.arange(100), level, marks[None]) == -1).all()
    holds = np.flatnonzero(book.lots.any(axis=0))
    assert may_fall_below(book, level + 1, marks, marks).tolist() == holds.tolist()
    assert (first_below(book, holds, level + 1, marks[None]) == 0).all()


def test_many_accounts_over_many_steps_are_searched_piece_by_piece() -> None:
    case = random_case(np.random.default_rng(10), USUAL, accounts=1_000)
    rng, steps = np.random.default_rng(11), CHUNK // 300
    path, rows = path_of(rng, case, steps), np.arange(0, 1_000, 2)
    level = level_of(rng, case)
    found = first_below(case.book, rows, level, path)
    each = [first_below(case.book, rows[at : at + 1], level, path)[0] for at in range(len(rows))]
    assert found.tolist() == each
    assert len(first_below(case.book, rows[:0], level, path)) == 0


def test_a_box_in_which_a_position_is_worth_too_much_is_refused() -> None:
    book = lone_long()
    level, at_most = np.zeros(1, np.int64), np.array([9_000_000, 1])
    assert may_fall_below(book, level, at_most // 2, at_most).tolist() == [0]
    assert first_below(book, np.arange(1), level, at_most[None]).tolist() == [-1]
    with pytest.raises(OutOfRange):
        may_fall_below(book, level, at_most // 2, at_most + 1)
    with pytest.raises(OutOfRange):
        first_below(book, np.arange(1), level, np.array([at_most, at_most + 1]))


def lone_long() -> Book:
    """An account whose 10^11 lots are worth the largest amount at a mark of 9,000,000 ticks."""
    book = random_case(np.random.default_rng(12), HUGE, accounts=1).book
    lots = np.array([[LARGEST // 90_000_000], [0]])
    return replace(book, lots=lots, cost=lots * 90_000_000 * 7 // 10, balance=np.zeros(1, np.int64))
