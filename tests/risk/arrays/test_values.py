"""What the arrays are asked for and what they answer stays as it is."""

from copy import copy
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from risk.arrays.closing import close_out
from risk.arrays.maintenance import requirements
from risk.arrays.orders import Orders
from risk.arrays.placing import place
from risk.arrays.rules import Rules
from risk.maintenance import BRACKETS, Requirement
from tests.risk.arrays.cases import USUAL, random_case


def values() -> list[Any]:
    """One of every kind but the book, which alone changes."""
    case = random_case(np.random.default_rng(14), USUAL)
    book, rules, rows, none = case.book, Rules.of(case.policy), np.arange(1), np.zeros(1, np.int64)
    by = requirements(
        Requirement(rules.requirement.threshold, BRACKETS, USUAL.ladders), ("BTCUSDT",)
    )
    orders = Orders(rows, none.astype(np.int8), none + 1, none, none > 0)
    placed = place(book, rules, orders, case.marks, 0)
    closed = close_out(book, rules, rows, case.marks)
    return [book.instruments, rules, by, *by.ladders, orders, placed, closed, closed.legs]


def test_only_the_book_can_be_changed() -> None:
    """Each is one of its own, too: arrays do not say whether they are equal."""
    for value in values():
        with pytest.raises(FrozenInstanceError):
            setattr(value, next(iter(type(value).__dataclass_fields__)), None)
        assert hash(value) == hash(value)
        assert copy(value) != value


def test_what_is_made_for_each_call_has_slots() -> None:
    assert all(hasattr(value, "__slots__") for value in values()[4:])
