"""A policy in whole numbers, and what of the past its rules ask for."""

from dataclasses import fields
from decimal import Decimal

import numpy as np
import pytest

from risk.arrays.rules import Rules
from risk.arrays.units import UNITS, OutOfRange
from risk.policy import PRESETS, TIERS, Policy, policy_from
from tests.each import each

D = Decimal


def test_a_policy_becomes_whole_numbers() -> None:
    values = {
        "max_leverage": {"beginner": 2, "intermediate": 3, "advanced": 7},
        "user_exposure_limit": D("20000000000"),
        "global_exposure_threshold": D("1234.5"),
        "liquidation_threshold": D("0.25"),
        "liquidation_mode": "largest_loss_first",
        "liquidation_fee_rate": D("0.01"),
        "trading_halted": True,
        "trading_reducing": True,
        "tier_state": {"beginner": "REDUCING", "advanced": "HALTED"},
        "volatility_bands": "0.03: 0.75, 0.5: 0.2",
    }
    rules = Rules.of(policy_from(values, base=PRESETS["seed"]))
    assert dict(zip(TIERS, rules.max_leverage.tolist(), strict=True)) == values["max_leverage"]
    assert (rules.user_exposure_limit, rules.threshold) == (2 * 10**18, UNITS // 4)
    assert (rules.global_exposure_threshold, rules.fee_rate) == (123_450_000_000, 1_000_000)
    assert (rules.partly, rules.halted, rules.reducing) == (True, True, True)
    assert rules.reducing_tiers.tolist() == [True, False, False]
    assert rules.halted_tiers.tolist() == [False, False, True]
    assert rules.by_band.tolist() == [[2, 3, 7], [1, 2, 5], [1, 1, 1]]
    low, high = (
        np.array([100, 100, 10**17, 10**17, 2, 5]),
        np.array([102, 103, 103 * 10**15 - 1, 15 * 10**16, 3, 10]),
    )
    assert rules.bands(low, high).tolist() == [0, 1, 0, 2, 2, 2]
    seed = Rules.of(PRESETS["seed"])
    assert (seed.partly, seed.halted, seed.max_leverage.tolist()) == (False, False, [5, 10, 20])
    with pytest.raises(OutOfRange):
        Rules.of(policy_from({"liquidation_threshold": D("5.1")}, base=PRESETS["seed"]))


def test_every_field_of_a_policy_is_a_rule_or_named_as_without_effect_on_market_orders() -> None:
    """A study's marks are never old, nothing rests, and prices beyond the collar are its own."""
    read = {"max_leverage", "user_exposure_limit", "global_exposure_threshold", "trading_halted"}
    read |= {"trading_reducing", "tier_state"}
    read |= {"liquidation_threshold", "liquidation_mode", "liquidation_fee_rate"}
    read |= {"max_order_value", "max_minute_value", "duplicate_seconds"}
    read |= {"volatility_bands", "close_out_target", "close_out_share"}
    read |= {"max_fills", "fills_window_seconds"}
    by_the_lab = {"volatility_window_minutes"}
    without_effect = {"max_mark_age_seconds", "max_open_orders", "price_collar", "price_band"}
    refused = {"margin_mode", "maintenance_brackets"}
    assert {field.name for field in fields(Policy)} == read | by_the_lab | without_effect | refused


@each(
    ("values", "window", "looks_back"),
    [
        ({"fills_window_seconds": 90}, 0, 0),
        ({"max_minute_value": D(7)}, 60, 60),
        ({"max_minute_value": {"intermediate": D("17999999999.99999999")}}, 60, 60),
        # As much as an account with the largest amount can send twice binds nobody.
        ({"max_minute_value": {"intermediate": D(18_000_000_000)}}, 0, 0),
        ({"duplicate_seconds": 5}, 5, 5),
        ({"max_minute_value": D(7), "duplicate_seconds": 5}, 60, 60),
        ({"max_fills": 2, "fills_window_seconds": 90}, 0, 90),
        ({"max_fills": 2, "fills_window_seconds": 90, "max_minute_value": D(7)}, 60, 90),
        ({"max_fills": 2, "fills_window_seconds": 9, "duplicate_seconds": 60}, 60, 60),
    ],
)
def test_rules_look_back_as_far_as_one_of_them_asks(
    values: dict[str, object], window: int, looks_back: int
) -> None:
    rules = Rules.of(policy_from(values, PRESETS["none"]))
    assert (rules.window, rules.looks_back) == (window, looks_back)


@each(("most", "limits"), [("8999999999.99999999", True), ("9000000000", False), (None, False)])
def test_orders_are_limited_where_a_tier_allows_less_than_the_largest(
    most: str | None, limits: bool
) -> None:
    values = {"max_order_value": {"advanced": D(most)} if most else {}}
    assert Rules.of(policy_from(values, PRESETS["none"])).limit_orders is limits
