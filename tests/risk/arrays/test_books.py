"""What accounts in arrays are worth is what the exchange says of each of them."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from market.kernel.amounts import is_valid_multiple
from risk.arrays.books import Book, Instruments
from risk.arrays.rules import Rules
from risk.arrays.units import LARGEST, UNITS, OutOfRange
from tests.each import each
from tests.risk.arrays.cases import (
    HUGE,
    TINY,
    USUAL,
    Scale,
    account_states,
    cases,
    in_usdt,
    random_case,
)

D = Decimal


def test_accounts_are_worth_what_the_exchange_says() -> None:
    near, breaches = 0, 0
    for _, case in cases(seed=1):
        book, marks = case.book, case.marks
        threshold = Rules.of(case.policy).threshold
        states = account_states(book, case.listed)
        assert in_usdt(book.equity(marks)) == [state.equity for state in states]
        assert in_usdt(book.exposure(marks)) == [state.exposure for state in states]
        assert in_usdt(book.position_margin()) == [state.position_margin for state in states]
        breach = [state.is_in_breach(case.policy.requirement) for state in states]
        slack = book.slack(marks, threshold)
        assert (slack < 0).tolist() == breach
        breaches, near = breaches + sum(breach), near + int((np.abs(slack) < 2).sum())
    assert breaches > 100
    assert near > 100


def test_some_accounts_are_worth_the_same_as_among_all() -> None:
    for rng, case in cases(seed=2, trials=1_000):
        book, marks = case.book, case.marks
        rows = np.flatnonzero(rng.random(len(book.balance)) < 0.3)
        assert (book.equity(marks, rows) == book.equity(marks)[rows]).all()
        assert (book.exposure(marks, rows) == book.exposure(marks)[rows]).all()
        assert (book.position_margin(rows) == book.position_margin()[rows]).all()
        assert (book.slack(marks, UNITS // 3, rows) == book.slack(marks, UNITS // 3)[rows]).all()


def lone(scale: Scale, balance: int = 0) -> Book:
    return Book.empty(Instruments.of(scale.listed), np.zeros(1, np.int8), np.array([balance]))


def test_accounts_begin_flat_and_a_copy_is_changed_by_itself() -> None:
    balance = np.array([5])
    book = Book.empty(Instruments.of(TINY.listed), np.zeros(1, np.int8), balance)
    copy = book.copy()
    copy.balance[0], copy.lots[1, 0], copy.tier[0] = 7, 3, 2
    assert (book.balance[0], balance[0], book.lots.any(), book.tier[0]) == (5, 5, False, 0)
    assert book.slack(np.ones(3, np.int64), UNITS // 2).tolist() == [5]


def test_some_accounts_have_again_what_they_had_and_others_have_not() -> None:
    book = random_case(np.random.default_rng(15), USUAL, accounts=3).book
    before, rows = book.copy(), np.array([0, 2])
    had = book.held_by(rows)
    for name in ("balance", "lots", "cost", "margin"):
        getattr(book, name)[:] += 1
    book.take_back(rows, had)
    for name in ("balance", "lots", "cost", "margin"):
        changed = getattr(book, name) - getattr(before, name)
        assert (changed == [0, 1, 0]).all(), name


@each("column", ["balance", "reserved_margin", "reserved_notional"])
def test_the_largest_amount_of_an_account_belongs_to_the_range(column: str) -> None:
    book = lone(USUAL)
    assert replace(book, **{column: np.array([LARGEST])})
    with pytest.raises(OutOfRange, match="Account 0"):
        replace(book, **{column: np.array([LARGEST + 1])})


@each(("column", "sign"), [("cost", 1), ("cost", -1), ("margin", 1)])
def test_the_sum_over_instruments_is_what_is_held_against_the_range(column: str, sign: int) -> None:
    """Of three accounts that of the last, which is named."""
    balance, half = np.zeros(3, np.int64), LARGEST // 2
    book = Book.empty(Instruments.of(HUGE.listed), np.zeros(3, np.int8), balance)
    assert replace(book, **{column: np.array([[0, 0, half * sign], [7, 0, half]])})
    with pytest.raises(OutOfRange, match=f"Account 2: its {column} is above 9,000,000,000 USDT"):
        replace(book, **{column: np.array([[0, 0, half * sign], [7, 0, half + 1]])})


def test_a_notional_is_held_against_the_range_at_the_marks_asked_for() -> None:
    """9e9 USDT of two instruments, whose lots are 0.1 and 0.01 USDT at a mark of 10,000."""
    book = lone(HUGE)
    book = replace(book, lots=np.array([[-80_000_000_000], [100_000_000_000]]))
    at_most = np.array([1_000_000, 10_000])
    assert book.exposure(at_most).tolist() == [LARGEST]
    assert book.equity(at_most).tolist() == [-7 * 10**9 * UNITS]
    for beyond in ([1_000_001, 10_000], [1_000_000, 10_001], [2**40, 1], [1, 2**62 // 100]):
        with pytest.raises(OutOfRange):
            book.exposure(np.array(beyond))


def test_at_the_marks_of_no_orders_nobody_is_out_of_range() -> None:
    book = replace(lone(USUAL), lots=np.array([[5], [0], [-7]]))
    assert book.lot_values(np.zeros((3, 0), np.int64)).shape == (3, 0)


def test_what_64_bits_do_not_hold_is_refused() -> None:
    book = replace(lone(HUGE), lots=np.array([[80_000_000_000], [0]]))
    with pytest.raises(OutOfRange, match="notional is above 9,000,000,000 USDT"):
        book.exposure(np.array([2**40, 1]))
    with pytest.raises(OutOfRange, match="A lot is worth more than 9,000,000,000 USDT"):
        lone(HUGE).exposure(np.array([2**60, 1]))
    most = LARGEST // 10  # ticks, of which a lot is worth 10 units each
    assert lone(HUGE).exposure(np.array([most, 1])).tolist() == [0]
    with pytest.raises(OutOfRange, match="A lot"):
        lone(HUGE).exposure(np.array([most + 1, 1]))


@each(("size", "mark"), [(90_000_000_000, 1_000_000), (49, 1_836_734_693_877_551)])
def test_one_wide_account_of_each_instrument_is_in_range(size: int, mark: int) -> None:
    """Each alone is within it, one just so, though the widest of both together are not.

    Of lots of 18,367,346,938,775,510 units 49 are within, where a float would say 48.99….
    """
    book = Book.empty(Instruments.of(HUGE.listed), np.zeros(2, np.int8), np.zeros(2, np.int64))
    lots = np.array([[size, 0], [0, -600_000_000_000]])
    book = replace(book, lots=lots)
    marks = np.array([mark, 10_000])
    assert book.exposure(marks).tolist() == [size * mark * 10, 6 * 10**9 * UNITS]


def test_an_instrument_is_one_whose_notionals_are_whole() -> None:
    listed = Instruments.of(USUAL.listed)
    assert listed.unit.tolist() == [10, 100, 1_000]
    assert listed.min_notional.tolist() == [5 * UNITS, 5 * UNITS, UNITS]
    assert listed.taker_fee.tolist() == [50_000, 45_679, 100_000]
    assert [listed.symbols[index] for index in listed.by_symbol] == [
        "BTCUSDT",
        "DOGEUSDT",
        "ETHUSDT",
    ]
    with pytest.raises(ValueError, match="eight decimal places"):
        Instruments.of([replace(USUAL.listed[0], lot_size=D("0.0000001"))])


def test_instruments_say_whether_one_of_them_limits_orders() -> None:
    [first, *others] = USUAL.listed
    assert Instruments.of(USUAL.listed).limit_orders is False
    for one in (replace(first, max_order_size=D(1)), replace(first, max_order_value=D(1))):
        assert Instruments.of([*others, one]).limit_orders is True


@each("lot", ["0.00001", "3", "0.00000003"])
def test_the_first_size_that_is_too_large_is_that_of_the_exchange(lot: str) -> None:
    one = replace(USUAL.listed[0], tick_size=D(1), lot_size=D(lot))
    [first] = Instruments.of([one]).first_too_large.tolist()
    assert is_valid_multiple(D(first - 1) * one.lot_size, one.lot_size)
    assert not is_valid_multiple(D(first) * one.lot_size, one.lot_size)
