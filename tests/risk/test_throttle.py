"""From how many fills on the throttle of repeated execution holds an account back."""

from hypothesis import given
from hypothesis import strategies as st

from risk.policy import PRESETS, policy_from
from risk.restraint import account_named
from risk.throttle import Filled, counts_fills, held, throttled

POLICY = policy_from({"max_fills": 3, "fills_window_seconds": 10}, PRESETS["seed"])
ON = POLICY.limits("beginner")


@given(st.integers(0, 5), st.integers(0, 10_000))
def test_the_fill_that_reaches_the_limit_says_why(in_window: int, earlier: int) -> None:
    filled = Filled(in_window, earlier + in_window).plus_one()
    assert filled.total - filled.in_window == earlier
    assert throttled(ON, filled) == ("3 fills in 10 s" if in_window >= 2 else "")


def test_fills_count_where_it_is_on_and_the_account_is_active() -> None:
    assert counts_fills(ON)
    assert not counts_fills(PRESETS["seed"].limits("beginner"))
    assert not counts_fills(POLICY.limits("beginner", suspended=True))
    assert not counts_fills(POLICY.limits("beginner", reducing=True))
    assert not counts_fills(held(ON, "3 fills in 10 s"))


def test_who_is_held_back_is_told_what_was_counted() -> None:
    by_hand = POLICY.limits("beginner", reducing=True)
    assert account_named(by_hand) == "This account"
    assert account_named(held(ON, "3 fills in 10 s")) == "This account, after 3 fills in 10 s,"
