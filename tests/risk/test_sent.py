"""What an account has sent lately holds back what it sends next, unless that only reduces."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from risk.denials import Denial
from risk.engine import Approval, check_order
from risk.state import Sent
from tests.each import each
from tests.risk.test_engine import NOW, Case

D = Decimal


def answer(case: Case, **known: Any) -> str | None:
    """Return what refuses an order beside what is known of those before it."""
    intent, state = case.asked()
    decided = check_order(intent, replace(state, **known), NOW)
    assert isinstance(decided, Approval | Denial)
    return f"{decided.code}: {decided.detail}" if isinstance(decided, Denial) else None


TOO_MUCH = "order_volume_exceeded: Your orders of any 60 s may be worth 10000 USDT; wait a little."


@each(
    ("sent", "held", "refused"),
    [
        (Sent(D("5000"), D("90000")), "0", None),
        (Sent(D(0), D(0)), "0", None),
        (Sent(D("5000.00000001"), D("5000.00000001")), "0", TOO_MUCH),
        (Sent(D("5000.00000001"), D("5000.00000001")), "-0.1", None),
        (None, "0", None),
    ],
)
def test_orders_of_a_minute_are_worth_what_the_policy_says_at_most(
    sent: Sent | None, held: str, refused: str | None
) -> None:
    """0.1 at 50,000 is worth 5,000."""
    limits = {"max_minute_value": D(10_000)}
    assert answer(Case(held=held, limits=limits), sent=sent) == refused
    assert answer(Case(held=held), sent=sent) is None


TWICE = "duplicate_order: An equal order was accepted less than 5 s ago."


@each(
    ("ago", "held", "refused"),
    [
        (timedelta(seconds=5), "0", None),
        (timedelta(seconds=6), "0", None),
        (timedelta(seconds=4.999999), "0", TWICE),
        (timedelta(0), "0", TWICE),
        (timedelta(0), "-0.1", None),
    ],
)
def test_an_equal_order_is_refused_for_as_long_as_the_policy_says(
    ago: timedelta, held: str, refused: str | None
) -> None:
    limits = {"duplicate_seconds": 5}
    assert answer(Case(held=held, limits=limits), twin_at=NOW - ago) == refused
    assert answer(Case(held=held, limits=limits)) is None
    assert answer(Case(held=held), twin_at=NOW - ago) is None
