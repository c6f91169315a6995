"""What many accounts require is what the exchange requires of each, to the last digit."""

from decimal import ROUND_CEILING, Decimal

import numpy as np
import pytest

from risk.arrays.maintenance import requirements
from risk.arrays.units import LARGEST, UNITS, amount
from risk.maintenance import BRACKETS, Requirement, requirement_of
from tests.risk.arrays.cases import USUAL, account_states, cases, in_usdt, needed

D = Decimal


def test_what_accounts_require_is_what_the_exchange_says() -> None:
    near = breaches = 0
    for _, case in cases(seed=21, margin_modes=[BRACKETS]):
        by, least = requirement_of(case.policy), needed(case.book, case.marks, case.policy)
        states, equity = account_states(case.book, case.listed), case.book.equity(case.marks)
        for state, one in zip(states, least.tolist(), strict=True):
            required = sum(held.required(by) for held in state.positions.values())
            wanted = D(required).quantize(D("0.00000001"), rounding=ROUND_CEILING)
            assert amount(one) == wanted
        breaches += int((equity < least).sum())
        near += int((np.abs(equity - least) < 3).sum())
    assert min(near, breaches) > 100


@pytest.mark.parametrize(
    ("notional", "required"),
    [
        ("300000", "1200"),
        ("300000.00000001", "1200.00000001"),
        ("800000", "3700"),
        ("3000000", "18000"),
        ("12000000", "108000"),
        ("9000000000", "89988000"),
    ],
)
def test_each_bracket_ends_at_its_cap_and_the_last_goes_on(notional: str, required: str) -> None:
    """0.4 % up to 300,000, then 0.5 % less 300, 0.65 % less 1,500 and 1 % less 12,000."""
    ladder = "BTCUSDT 300000: 0.004 9x, 800000: 0.005 8x, 3000000: 0.0065 7x, 12000000: 0.01 6x"
    by = requirements(Requirement(D("0.5"), BRACKETS, ladder), ("BTCUSDT",))
    units = int(D(notional) * UNITS)
    assert in_usdt(by.needed(np.array([[units]]), np.array([[7]]))) == [D(required)]
    assert -(-by.exact(0, units, 7) // UNITS) == D(required) * UNITS


def test_a_bracket_that_nobody_reaches_is_left_out() -> None:
    """One begins at the largest amount, one above it."""
    ladder = "BTCUSDT 10: 0.1 9x, 9000000000: 0.2 3x, 9000000001: 0.3 2x, 9000000002: 0.4 1x"
    by = requirements(Requirement(D("0.5"), BRACKETS, ladder), ("BTCUSDT", "ETHUSDT"))
    [bitcoin, none] = by.ladders
    assert bitcoin is not None
    assert (bitcoin.rates.tolist(), none) == ([UNITS // 10, UNITS // 5], None)
    held = np.array([[LARGEST], [4]])
    assert by.needed(held, np.array([[0], [6]])).tolist() == [LARGEST // 5 - UNITS + 3]


def test_a_share_follows_no_marks() -> None:
    symbols = tuple(one.symbol for one in USUAL.listed)
    assert not requirements(Requirement(D("0.5")), symbols).follow_marks
    assert requirements(Requirement(D("0.5"), BRACKETS, USUAL.ladders), symbols).follow_marks
    other = Requirement(D("0.5"), BRACKETS, "XRPUSDT 1: 0.1 2x")
    assert not requirements(other, symbols).follow_marks
