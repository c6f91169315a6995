"""The policy in force is the database's: its columns, its bounds, and the limits of accounts."""

from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from accounts.models import Tier
from risk.models import LeverageLimit, LiquidationMode, RiskPolicy
from risk.policy import BY_TIER, MODES, PRESETS, TIERS, Policy, policy_from
from risk.selectors import policy_in_force, read_risk_state
from risk.services import change_limits, change_policy
from tests.each import each
from tests.risk.test_policy import OTHER, bounds
from tests.trading.conftest import Trader

pytestmark = pytest.mark.django_db

D = Decimal
SEED = PRESETS["seed"]
#: The database has the last word; Django itself refuses what is no number.
REFUSALS = (IntegrityError, DataError, ValidationError)
COLUMNS = {field.name: field for field in RiskPolicy._meta.fields if field.name != "id"}


def test_every_column_is_part_of_it() -> None:
    """Those of the leverage limits by their tier; that of the row is its one key."""
    assert {field.name for field in fields(Policy)} == {*COLUMNS, *BY_TIER}
    assert {field.name for field in LeverageLimit._meta.fields} == {"tier", *BY_TIER}
    assert list(TIERS) == Tier.values
    assert list(MODES) == LiquidationMode.values


def test_a_new_exchange_has_the_policy_seed() -> None:
    assert policy_in_force() == SEED


@pytest.mark.usefixtures("market")
def test_the_policy_in_force_is_what_staff_have_set() -> None:
    for name, value in OTHER.items():
        if name not in BY_TIER:
            change_policy(reason="A test", changes={name: value})
    beginners = LeverageLimit.objects.get(tier="beginner")
    of_beginners = {name: OTHER[name]["beginner"] for name in BY_TIER}
    change_limits(reason="A test", limit=beginners, changes=of_beginners)
    assert policy_in_force() == policy_from(OTHER, SEED)


def test_the_limits_of_an_account_are_those_that_an_order_is_held_against(trader: Trader) -> None:
    for tier in TIERS:
        read = read_risk_state(account_id=trader(tier=tier).account.pk)
        assert policy_in_force().limits(tier) == read.limits


def test_a_tier_without_a_row_has_no_leverage(trader: Trader) -> None:
    user = trader(tier="advanced")
    LeverageLimit.objects.filter(tier="advanced").delete()
    read = read_risk_state(account_id=user.account.pk).limits
    assert policy_in_force().limits("advanced") == read
    assert read.max_leverage == 1


@each(("name", "value", "taken"), bounds())
def test_its_bounds_are_those_of_the_database(name: str, value: Any, taken: bool) -> None:
    rows = LeverageLimit.objects if name in BY_TIER else RiskPolicy.objects
    if taken:
        rows.update(**{name: value})
        assert policy_in_force() == policy_from({name: value}, SEED)
    else:
        with pytest.raises(REFUSALS), transaction.atomic():
            rows.update(**{name: value})
