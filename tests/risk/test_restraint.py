"""Why a resting order may only reduce, and what orders of an account may do, in every state."""

from itertools import product
from typing import Any

from market.kernel.states import TradingState
from risk.restraint import restraint, strictest
from risk.state import InstrumentState, Limits
from tests.each import each
from tests.risk.test_engine import INSTRUMENT, LIMITS

ACTIVE, REDUCING, HALTED = TradingState
EVERY = list(product(TradingState, repeat=3))
#: The sentence of ``reducing_only`` begins with whose state it is.
SAYS = " is in REDUCING: an order may only reduce what is open; ask for reduce_only, or close the"
#: What a resting order of an account is told, by what is not active, the first reason first.
REASONS: list[tuple[dict[str, Any], str, str]] = [
    ({"trading_reducing": True}, "reducing_only", "The exchange"),
    ({"suspended": True}, "account_suspended", ""),
    ({"account_reducing": True}, "reducing_only", "This account"),
    ({"tier_state": "HALTED"}, "tier_halted", ""),
    ({"tier_state": "REDUCING"}, "reducing_only", "Your tier"),
]


def limits_in(exchange: TradingState, account: TradingState, tier: TradingState) -> Limits:
    states = {
        "trading_halted": exchange == HALTED,
        "trading_reducing": exchange == REDUCING,
        "suspended": account == HALTED,
        "account_reducing": account == REDUCING,
        "tier_state": tier.value,
    }
    return Limits(**LIMITS | states)


@each(("exchange", "account", "tier"), EVERY)
def test_the_strictest_of_the_states_is_that_of_the_account(
    exchange: TradingState, account: TradingState, tier: TradingState
) -> None:
    states = {exchange, account, tier}
    expected = HALTED if HALTED in states else REDUCING if REDUCING in states else ACTIVE
    assert strictest(limits_in(exchange, account, tier)) is expected


@each(("exchange", "account", "tier"), EVERY)
def test_a_halt_stands_above_reducing_where_both_are_set(
    exchange: TradingState, account: TradingState, tier: TradingState
) -> None:
    """As where staff halt what reduces already, which it does again once it is resumed."""
    limits = limits_in(exchange, account, tier)
    both = LIMITS | {
        "trading_halted": limits.trading_halted,
        "trading_reducing": exchange != ACTIVE,
        "suspended": limits.suspended,
        "account_reducing": account != ACTIVE,
        "tier_state": limits.tier_state,
    }
    assert strictest(Limits(**both)) is strictest(limits)


@each("number", range(len(REASONS)))
@each("reducing", [False, True])
def test_the_first_reason_is_told(number: int, reducing: bool) -> None:
    """Whatever reasons come behind it, the instrument's among them."""
    instrument = InstrumentState(**INSTRUMENT | {"reducing": reducing})
    mine, code, whose = REASONS[number]
    for behind in ({}, *(changes for changes, _, _ in REASONS[number + 1 :])):
        found = restraint(Limits(**{**LIMITS, **behind, **mine}), instrument)
        assert found is not None
        assert (found.code, whose + SAYS in found.detail) == (code, bool(whose))


def test_an_instrument_that_reduces_is_the_last_reason_and_a_halt_none() -> None:
    """What is halted fills nothing: what rests there waits."""
    limits = Limits(**LIMITS)
    found = restraint(limits, InstrumentState(**INSTRUMENT | {"reducing": True}))
    assert found is not None
    assert (found.code, found.detail.startswith("This instrument" + SAYS)) == (
        "reducing_only",
        True,
    )
    for free in ({}, {"halted": True}):
        assert restraint(limits, InstrumentState(**INSTRUMENT | free)) is None
        assert (
            restraint(
                Limits(**LIMITS | {"trading_halted": True}), InstrumentState(**INSTRUMENT | free)
            )
            is None
        )
