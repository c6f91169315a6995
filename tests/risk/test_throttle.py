"""From how many fills on the throttle of repeated execution holds an account back."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from risk.policy import PRESETS, policy_from
from risk.restraint import account_named
from risk.throttle import counts_fills, held, throttled

POLICY = policy_from({"max_fills": 3, "fills_window_seconds": 10}, PRESETS["seed"])
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ON = POLICY.limits("beginner")


@example(nth=1, past=9_999_999)
@example(nth=1, past=10_000_000)
@given(nth=st.integers(1, 5), past=st.none() | st.integers(0, 20_000_000))
def test_the_fill_that_reaches_the_limit_says_why(nth: int, past: int | None) -> None:
    """Two before it in its own booking, or the second before it less than ten seconds ago."""
    earlier = None if past is None else NOW - timedelta(microseconds=past)
    reached = nth >= 3 or (past is not None and past < 10_000_000)
    why = throttled(3, 10, nth=nth, earlier=earlier, now=NOW)
    assert why == ("3 fills in 10 s" if reached else "")


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
