"""What the policy was at a time is told by its own history and that of the leverage limits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from risk.models import LeverageLimit, RiskPolicy
from risk.policy import PRESETS, Policy, policy_from
from risk.policy_history import policies_after
from risk.selectors import policy_in_force
from risk.services import change_limits, change_policy, set_policy

pytestmark = pytest.mark.django_db

D = Decimal
START = datetime(2025, 10, 10, tzinfo=UTC)
SEED = PRESETS["seed"]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def set_leverage(tier: str, leverage: int) -> None:
    change_limits(
        reason="A test",
        limit=LeverageLimit.objects.get(tier=tier),
        changes={"max_leverage": leverage},
    )


def limit_orders(tier: str, value: str | None) -> None:
    change_limits(
        reason="A test",
        limit=LeverageLimit.objects.get(tier=tier),
        changes={"max_order_value": value and D(value)},
    )


def does_each_hour(*changes: Callable[[], None]) -> list[Policy]:
    """Make changes an hour apart from hour 1 on, and return the policy in force after each."""
    policies = []
    for hours, change in enumerate(changes, start=1):
        with time_machine.travel(at(hours), tick=False):
            change()
        policies.append(policy_in_force())
    return policies


def test_after_each_change_it_is_what_was_in_force_then() -> None:
    in_force = does_each_hour(
        lambda: change_policy(reason="A test", changes={"liquidation_threshold": D("0.6")}),
        lambda: set_leverage("beginner", 2),
        lambda: set_leverage("advanced", 50),
        lambda: change_policy(
            reason="A test", changes={"trading_halted": True, "price_collar": D("0.25")}
        ),
        lambda: limit_orders("beginner", "1500.5"),
        lambda: limit_orders("advanced", "9000"),
        lambda: limit_orders("beginner", None),
        lambda: set_leverage("beginner", 3),
    )
    moments = [at(hours) for hours in range(1, 9)]
    assert policies_after(moments) == dict(zip(moments, in_force, strict=True))
    assert in_force[-1] == policy_from(
        {
            "liquidation_threshold": D("0.6"),
            "trading_halted": True,
            "price_collar": D("0.25"),
            "max_leverage": {"beginner": 3, "advanced": 50},
            "max_order_value": {"advanced": D(9000)},
        },
        SEED,
    )


def test_a_policy_put_in_force_as_a_whole_has_one_digest_in_the_history() -> None:
    """Whoever looks at the policy's own history there finds the one that was put in force."""
    set_policy(policy=PRESETS["none"], reason="A trial")
    last = RiskPolicy.objects.get().history.latest()
    assert policies_after([last.history_date]) == {last.history_date: PRESETS["none"]}
    assert policy_in_force() == PRESETS["none"]
    set_policy(reason="A test", policy=PRESETS["none"])
    reasons = [one.history_change_reason for one in RiskPolicy.history.all()]
    assert reasons == ["A trial", "installation"]
    assert LeverageLimit.history.filter(history_type="~").count() == 3


def test_between_two_changes_the_earlier_one_counts() -> None:
    first, second = does_each_hour(
        lambda: set_leverage("beginner", 2), lambda: set_leverage("beginner", 3)
    )
    assert policies_after([at(1.999), at(2)]) == {at(1.999): first, at(2): second}


def test_before_its_first_change_it_was_as_a_new_exchange_has_it() -> None:
    does_each_hour(lambda: set_leverage("beginner", 2))
    assert policies_after([at(0)]) == {at(0): SEED}
    assert policies_after([]) == {}


def test_what_changed_past_the_services_is_not_told() -> None:
    does_each_hour(lambda: set_leverage("beginner", 2))
    RiskPolicy.objects.update(price_collar=D("0.1"))
    assert policies_after([at(1)])[at(1)].price_collar == SEED.price_collar


def test_histories_are_read_in_one_statement(
    django_assert_num_queries: Callable[..., object],
) -> None:
    does_each_hour(*[lambda: set_leverage("beginner", 2)] * 5)
    with django_assert_num_queries(1):
        policies_after([at(hours) for hours in range(100)])
