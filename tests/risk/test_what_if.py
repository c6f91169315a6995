"""A moved mark is one that could be set, and close-outs in turn share one fund."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import is_valid_multiple
from risk.what_if import close_out_in_turn, moved
from tests.risk.test_closing import FULL, LISTED, account, held

D = Decimal


@pytest.mark.parametrize(
    ("mark", "percent", "tick", "expected"),
    [
        ("65000", "-10", "0.01", "58500"),
        ("65000", "0", "0.01", "65000"),
        ("65000", "12.5", "0.01", "73125"),
        ("0.03", "-50", "0.01", "0.02"),  # 0.015 lies between two ticks: the even one
        ("0.01", "-95", "0.01", "0.01"),  # never below a tick
        ("7", "-10", "5", "5"),
    ],
)
def test_a_mark_moves_to_the_nearest_tick(
    mark: str, percent: str, tick: str, expected: str
) -> None:
    assert moved(D(mark), D(percent), D(tick)) == D(expected)


@given(
    ticks=st.integers(1, 10**9),
    percent=st.decimals(-95, 100, places=2),
    tick=st.sampled_from([D("0.00001"), D("0.01"), D(1)]),
)
def test_a_moved_mark_is_a_price(ticks: int, percent: Decimal, tick: Decimal) -> None:
    price = moved(ticks * tick / 1000 // tick * tick + tick, percent, tick)
    assert is_valid_multiple(price, tick)


def test_the_fund_pays_in_turn_and_the_rest_is_bad_debt() -> None:
    poor = held("BTC", "1", "100", "10", "50")
    done = close_out_in_turn([account("10", poor), account("20", poor)], FULL, LISTED, fund=D(50))
    assert [(one.insurance_paid, one.bad_debt) for one in done.closed] == [(40, 0), (10, 20)]
    assert [one.notional for one in done.closed] == [50, 50]
    assert (done.fund, done.fees) == (0, 0)


def test_fees_reach_the_fund_before_a_deficit_of_the_same_account_does() -> None:
    costly = replace(FULL, liquidation_fee_rate=D("0.1"))
    winner, loser = held("WIN", "-1", "100", "100", "60"), held("LOSS", "2", "100", "100", "50")
    done = close_out_in_turn([account("0", winner, loser)] * 2, costly, LISTED, fund=D(1))
    # Each loses 100, and wins 40 after it: the balance never reaches a fee.
    assert (done.fees, done.fund) == (0, 0)
    assert [(one.insurance_paid, one.bad_debt) for one in done.closed] == [(1, 59), (0, 60)]
    thin = account("55", replace(winner, mark_price=D(120)))
    poor = account("0", held("BTC", "1", "100", "10", "50"))
    done = close_out_in_turn([thin, poor], costly, LISTED, fund=D(1))
    # 35 are left of 55, 12 of which are the fee of 120: it pays for the next account.
    assert (done.fees, done.fund) == (12, 0)
    assert [(one.insurance_paid, one.bad_debt) for one in done.closed] == [(0, 0), (13, 37)]


def test_a_fee_pays_for_a_later_loss_of_the_same_account() -> None:
    """10 are left of 110 for the fee of the larger loss; the other 50 are not there."""
    costly = replace(FULL, liquidation_fee_rate=D("0.1"))
    larger, other = held("LOSS", "2", "100", "100", "50"), held("BTC", "1", "100", "10", "50")
    done = close_out_in_turn([account("110", larger, other)], costly, LISTED, fund=D(1))
    assert (done.fees, done.fund) == (10, 0)
    assert [(one.insurance_paid, one.bad_debt) for one in done.closed] == [(11, 39)]
