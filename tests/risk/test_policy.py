"""A policy is one value: the same text and digest for the same rules, another for any other."""

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, FrozenInstanceError, fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import LARGEST_AMOUNT, UNIT
from market.kernel.states import TradingState
from risk.policy import (
    BY_TIER,
    MARGIN_MODES,
    MODES,
    PRESETS,
    TIERS,
    Policy,
    PolicyError,
    policy_from,
)
from risk.state import Limits
from tests.each import each

D = Decimal
SEED = PRESETS["seed"]
#: Another value than the seed's, for each field.
OTHER: dict[str, Any] = {
    "max_leverage": {"beginner": 4},
    "tier_state": {"beginner": "REDUCING"},
    "trading_halted": True,
    "trading_reducing": True,
    "max_mark_age_seconds": 60,
    "user_exposure_limit": D("0.00000001"),
    "max_open_orders": 0,
    "global_exposure_threshold": D(1),
    "liquidation_threshold": D("0.50000001"),
    "liquidation_mode": "largest_loss_first",
    "liquidation_fee_rate": D("0.01"),
    "price_collar": D("0.31"),
    "max_order_value": {"beginner": D("0.01")},
    "volatility_window_minutes": 60,
    "volatility_bands": "0.03: 0.75",
    "price_band": D("0.05"),
    "max_minute_value": {"beginner": D("0.02")},
    "duplicate_seconds": 5,
    "max_fills": 5,
    "fills_window_seconds": 61,
    "margin_mode": "brackets",
    "maintenance_brackets": "BTCUSDT 300000: 0.004 150x",
    "close_out_target": D("1.5"),
    "close_out_share": D("0.2"),
}
BANDS = ["", "0.03: 0.75", "0.03: 0.75, 0.06: 0.5", "0.00000001: 0.99999999, 4.5: 0.1"]


NO_BANDS = [
    *("0.03", "0.03:", ":0.5", "0.03: 0.75,", "0.03: x", "0.03: 0.5: 0.1", "0: 0.5", "5: 0.5"),
    *("-0.1: 0.5", "0.03: 0", "0.03: 1", "NaN: 0.5", "0.1: NaN", "0.000000001: 0.5"),
    *("0.03: 0.1234567891", "1e999999: 0.5", "0.03: 1e-999999", "0.06: 0.75, 0.03: 0.5"),
    *("0.03: 0.5, 0.06: 0.75", "0.03: 0.75, 0.03: 0.5", "0.03: 0.5, 0.06: 0.5"),
    ", ".join(f"0.0{n}: 0.{10 - n}" for n in range(1, 10)),
    *(None, 1, True, D("0.03"), ["0.03: 0.75"]),
]

LADDERS = [
    "",
    "BTCUSDT 300000: 0.004 250x",
    "BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 1: 0.00000001 32767x",
]
NO_LADDERS = [
    *("BTCUSDT", "300000: 0.004 150x", "BTCUSDT 300000: 0.004", "btcusdt 300000: 0.004 150x"),
    *("BTCUSDT 0: 0.004 150x", "BTCUSDT 1.5: 0.004 150x", "BTCUSDT 300000: 0 150x"),
    *("BTCUSDT 300000: 1 150x", "BTCUSDT 300000: 0.001234567 150x", "BTCUSDT 300000: 0.004 0x"),
    *(
        "BTCUSDT 300000: 0.00001 32768x",
        "BTCUSDT 1000000000000000: 0.004 150x",
        "BTCUSDT 3: NaN 2x",
    ),
    "BTCUSDT 300000: 0.004 150x; BTCUSDT 300000: 0.004 150x",
    *(f"BTCUSDT 300000: 0.004 150x, {next}" for next in ("", "800000: 0.004 100x")),
    *(f"BTCUSDT 300000: 0.004 150x, {next}" for next in ("300000: 0.005 100x", "9: 0.005 150x")),
    *(f"BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x {wrong}" for wrong in ("299", "300.1", "0")),
    "BTCUSDT 300000: 0.004 150x 1",
    *("BTCUSDT 300000: 0.004 251x", "BTCUSDT 300000: 0.004 150x, 800000: 0.01000001 100x"),
    "BTCUSDT " + ", ".join(f"{n}: 0.0{n + 10} {30 - n}x" for n in range(1, 14)),
    "; ".join(f"BTCUSDT{n} 300000: 0.004 150x" for n in range(200)),
    *(None, 1, True, D("0.03"), ["BTCUSDT 300000: 0.004 150x"]),
]

amounts = st.decimals(0, 10**12, places=8)
counts = st.integers(0, 2**31 - 1)
states = st.sampled_from(list(TradingState))
leverages = st.integers(1, 125)
values = st.fixed_dictionaries(
    {
        "max_leverage": st.fixed_dictionaries(dict.fromkeys(TIERS, leverages)),
        "tier_state": st.fixed_dictionaries(dict.fromkeys(TIERS, states)),
        "trading_halted": st.booleans(),
        "trading_reducing": st.booleans(),
        "max_mark_age_seconds": counts,
        "user_exposure_limit": amounts,
        "max_open_orders": counts,
        "global_exposure_threshold": amounts,
        "liquidation_threshold": st.decimals(0, 2, places=8),
        "liquidation_mode": st.sampled_from(MODES),
        "liquidation_fee_rate": st.decimals(0, D("0.99999999"), places=8),
        "price_collar": st.decimals(UNIT, 9999, places=8),
        "price_band": st.decimals(0, 9999, places=8),
        "duplicate_seconds": st.integers(0, 60),
        "close_out_target": st.decimals(1, 9999, places=8),
        "close_out_share": st.decimals(UNIT, 1, places=8),
        "max_fills": st.sampled_from([0, 2, 3, 10_000]),
        "fills_window_seconds": st.integers(1, 3_600),
        "max_minute_value": st.dictionaries(
            st.sampled_from(TIERS), st.decimals(UNIT, 10**12, places=8)
        ),
        "max_order_value": st.dictionaries(
            st.sampled_from(TIERS), st.decimals(UNIT, 10**12, places=8)
        ),
        "volatility_window_minutes": st.integers(1, 1_440),
        "volatility_bands": st.sampled_from(BANDS),
        "margin_mode": st.sampled_from(MARGIN_MODES),
        "maintenance_brackets": st.sampled_from(LADDERS),
    }
)


@given(values, st.randoms(use_true_random=False))
def test_its_text_is_the_same_however_it_was_written(asked: dict[str, Any], chance: Any) -> None:
    """In any order of keys, with any zeros behind a decimal's digits, or without."""
    again = list(asked.items())
    chance.shuffle(again)
    spelled = {key: shorter(value) for key, value in again}
    one, other = policy_from(asked, SEED), policy_from(spelled, PRESETS["none"])
    assert one == other
    assert one.canonical == other.canonical
    assert one.digest == other.digest


def shorter(value: Any) -> Any:
    """Return a decimal without zeros at its end, and a mapping the other way round."""
    if isinstance(value, dict):
        return dict(reversed(value.items()))
    if isinstance(value, str):
        return value.replace(": ", ":").replace("0.75", "00.750")
    return value.normalize() if isinstance(value, Decimal) else value


@given(values)
def test_its_text_says_all_of_it(asked: dict[str, Any]) -> None:
    policy = policy_from(asked, SEED)
    read = tomllib.loads(policy.canonical, parse_float=Decimal)
    assert policy_from(read, PRESETS["none"]) == policy


def test_its_text_reads_like_a_study() -> None:
    assert SEED.canonical.splitlines() == [
        "global_exposure_threshold = 10000000",
        "liquidation_fee_rate = 0",
        'liquidation_mode = "full"',
        "liquidation_threshold = 0.5",
        "max_leverage = { advanced = 20, beginner = 5, intermediate = 10 }",
        "max_mark_age_seconds = 3600",
        "max_open_orders = 200",
        "price_collar = 0.3",
        "trading_halted = false",
        "user_exposure_limit = 5000000",
    ]


def test_a_zero_has_no_sign() -> None:
    written = {"liquidation_fee_rate": D("-0")}
    assert policy_from(written, SEED).digest == SEED.digest


def test_a_change_of_any_field_changes_the_digest() -> None:
    digests = {SEED.digest}
    for field in fields(Policy):
        digests.add(policy_from({field.name: OTHER[field.name]}, SEED).digest)
    assert len(digests) == len(fields(Policy)) + 1
    for tier in TIERS:
        digests.add(policy_from({"max_leverage": {tier: 3}}, SEED).digest)
    assert len(digests) == len(fields(Policy)) + 1 + len(TIERS)


def test_limits_know_who_is_held_back() -> None:
    free = SEED.limits("beginner")
    assert isinstance(free, Limits)
    assert not free.suspended
    assert SEED.limits("beginner", suspended=True) == replace(free, suspended=True)
    assert SEED.limits("beginner", reducing=True) == replace(free, account_reducing=True)
    held_back = policy_from({"tier_state": {"beginner": "HALTED"}}, SEED)
    assert held_back.limits("beginner") == replace(free, tier_state="HALTED")
    assert held_back.limits("advanced") == SEED.limits("advanced")


def test_a_policy_and_limits_say_nothing_alike_where_nothing_is_said() -> None:
    said = {one.name: one.default for one in fields(Limits) if one.default is not MISSING}
    default = {one.name: one.default for one in fields(Policy) if one.default is not MISSING}
    both = (said.keys() & default.keys()).difference(BY_TIER)
    assert {"duplicate_seconds", "max_fills", "fills_window_seconds"} <= both
    assert {name: said[name] for name in both} == {name: default[name] for name in both}
    assert SEED.requirement == SEED.limits("beginner").requirement


def test_a_tier_that_the_policy_does_not_know_has_no_leverage() -> None:
    assert SEED.limits("nobody").max_leverage == 1


def test_a_policy_stays_what_it_is() -> None:
    assert not hasattr(SEED, "__dict__")
    with pytest.raises(FrozenInstanceError):
        SEED.max_open_orders = 1  # type: ignore[misc]
    assert {SEED: 1}[policy_from({}, SEED)] == 1


def bounds() -> Iterator[tuple[str, Any, bool]]:
    """Yield values at the bounds of each field and beyond, and whether they are taken."""
    for name in ("max_mark_age_seconds", "max_open_orders"):
        yield from ((name, value, True) for value in (0, 2**31 - 1))
        yield from ((name, value, False) for value in (-1, 2**31))
    for name in ("user_exposure_limit", "global_exposure_threshold", "liquidation_threshold"):
        yield from ((name, value, True) for value in (D(0), LARGEST_AMOUNT))
        yield from (
            (name, value, False)
            for value in (-UNIT, LARGEST_AMOUNT + UNIT, D("NaN"), D("Infinity"))
        )
    yield from (("liquidation_fee_rate", value, True) for value in (D(0), 1 - UNIT))
    yield from (("liquidation_fee_rate", value, False) for value in (-UNIT, D(1), D("NaN")))
    yield from (("price_collar", value, True) for value in (UNIT, D("9999.99999999")))
    yield from (("price_collar", value, False) for value in (D(0), D(10_000), D("NaN")))
    yield from (("volatility_window_minutes", value, True) for value in (1, 1_440))
    yield from (("volatility_window_minutes", value, False) for value in (0, 1_441))
    yield from (("volatility_bands", value, True) for value in BANDS)
    yield from (("volatility_bands", value, False) for value in NO_BANDS)
    yield from (("price_band", value, True) for value in (D(0), UNIT, D("9999.99999999")))
    yield from (("price_band", value, False) for value in (-UNIT, D(10_000), D("NaN")))
    yield from (("close_out_target", value, True) for value in (D(1), D("9999.99999999")))
    yield from (("close_out_target", value, False) for value in (1 - UNIT, D(10_000), D("NaN")))
    yield from (("close_out_share", value, True) for value in (UNIT, D(1)))
    yield from (("close_out_share", value, False) for value in (D(0), 1 + UNIT, D("NaN")))
    yield from (("duplicate_seconds", value, True) for value in (0, 60))
    yield from (("duplicate_seconds", value, False) for value in (-1, 61))
    yield from (("max_fills", value, True) for value in (0, 2, 10_000))
    yield from (("max_fills", value, False) for value in (-1, 1, 10_001))
    yield from (("fills_window_seconds", value, True) for value in (1, 3_600))
    yield from (("fills_window_seconds", value, False) for value in (0, 3_601))
    for name in ("max_order_value", "max_minute_value"):
        yield from ((name, value, True) for value in (UNIT, LARGEST_AMOUNT))
        yield from ((name, value, False) for value in (D(0), D("NaN"), "none"))
    yield from (("liquidation_mode", value, True) for value in MODES)
    yield "liquidation_mode", "half", False
    yield from (("margin_mode", value, True) for value in MARGIN_MODES)
    yield "margin_mode", "half", False
    yield from (("maintenance_brackets", value, True) for value in LADDERS)
    yield from (("maintenance_brackets", value, False) for value in NO_LADDERS)
    yield from (("tier_state", state, True) for state in ("REDUCING", "HALTED"))
    yield "tier_state", "CLOSED", False
    yield from (("max_leverage", value, True) for value in (1, 32767))
    yield from (("max_leverage", value, False) for value in (0, 32768))


@each(("name", "value", "taken"), bounds())
def test_its_bounds(name: str, value: Any, taken: bool) -> None:
    if taken:
        policy = policy_from({name: value}, SEED)
        by_tier = tuple((tier, value) for tier in sorted(TIERS))
        assert getattr(policy, name) == (by_tier if name in BY_TIER else value)
    else:
        with pytest.raises(PolicyError):
            policy_from({name: value}, SEED)


@each(
    ("values", "key", "says"),
    [
        (
            {"liquidation_treshold": 1},
            "liquidation_treshold",
            "unknown; a policy has close_out_share, close_out",
        ),
        ({"max_leverage": {"expert": 3}}, "max_leverage.expert", "the tiers are beginner,"),
        ({"max_leverage": {"beginner": 0}}, "max_leverage.beginner", "from 1 to 32767, not 0"),
        ({"tier_state": {"expert": "HALTED"}}, "tier_state.expert", "the tiers are beginner,"),
        ({"tier_state": {"beginner": "halted"}}, "tier_state.beginner", "one of ACTIVE, REDUCING,"),
        ({"tier_state": True}, "tier_state", "one of ACTIVE, REDUCING, HALTED, not True"),
        ({"max_leverage": D("2.5")}, "max_leverage", "a whole number from 1"),
        ({"max_leverage": True}, "max_leverage", "a whole number from 1"),
        ({"duplicate_seconds": 61}, "duplicate_seconds", "from 0 to 60, not 61"),
        ({"max_fills": False}, "max_fills", "a whole number from 0"),
        ({"liquidation_threshold": 0.5}, "liquidation_threshold", "a decimal from 0 to"),
        ({"liquidation_threshold": True}, "liquidation_threshold", "a decimal from 0 to"),
        ({"liquidation_threshold": D("0.123456789")}, "liquidation_threshold", "8 places"),
        ({"liquidation_threshold": D("0.123456781")}, "liquidation_threshold", "8 places"),
        ({"trading_halted": 1}, "trading_halted", "true or false, not 1"),
        ({"liquidation_mode": ["full"]}, "liquidation_mode", "one of full, largest_loss_first"),
    ],
)
def test_what_a_policy_cannot_be(values: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy_from(values, SEED)
    assert refused.value.key == key
    assert says in refused.value.message
    assert str(refused.value).startswith(f"invalid_policy: {key}: ")


def test_a_leverage_is_for_all_tiers_or_by_tier() -> None:
    assert dict(policy_from({"max_leverage": 3}, SEED).max_leverage) == dict.fromkeys(TIERS, 3)
    by_tier = policy_from({"max_leverage": {"advanced": 50}}, SEED)
    assert dict(by_tier.max_leverage) == {"beginner": 5, "intermediate": 10, "advanced": 50}


def test_a_tier_that_a_policy_says_nothing_of_has_no_largest_order() -> None:
    one = policy_from({"max_order_value": {"beginner": D("0.5")}}, SEED)
    assert one.limits("beginner").max_order_value == D("0.5")
    assert one.limits("advanced").max_order_value is None
    of_all = policy_from({"max_order_value": 7}, one)
    assert {of_all.limits(tier).max_order_value for tier in TIERS} == {7}
    assert policy_from({"max_order_value": {}}, of_all) == SEED


def test_the_text_of_a_policy_without_controls_is_what_it_was_before_there_were_any() -> None:
    assert "max_order_value" not in SEED.canonical
    one = policy_from({"max_order_value": {"beginner": 500}}, SEED)
    assert "max_order_value = { beginner = 500 }\n" in one.canonical
    assert policy_from({"price_band": D("0.00")}, SEED).canonical == SEED.canonical


def test_the_presets() -> None:
    esma, none = PRESETS["esma"], PRESETS["none"]
    assert dict(esma.max_leverage) == dict.fromkeys(TIERS, 2)
    assert esma.liquidation_threshold == D("0.5")
    assert dict(none.max_leverage) == dict.fromkeys(TIERS, 125)
    assert none.liquidation_threshold == 0
    assert none.user_exposure_limit == none.global_exposure_threshold == LARGEST_AMOUNT
