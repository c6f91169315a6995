"""Why orders may only reduce: by the state of the exchange, an account, its tier, an instrument.

Pure. What may reduce only still closes: by reduce-only orders, and by orders that fill at once and
are no larger than what they stand against.
"""

from typing import Final

from market.kernel.states import TradingState, state_of
from risk.denials import Denial, deny
from risk.state import InstrumentState, Limits

#: Whose state it is, as the sentence of ``reducing_only`` begins.
EXCHANGE: Final = "The exchange"
ACCOUNT: Final = "This account"
TIER: Final = "Your tier"
INSTRUMENT: Final = "This instrument"


def reducing_only(whose: str) -> Denial:
    return deny("reducing_only", whose=whose)


def account_named(limits: Limits) -> str:
    """Name an account that may only reduce, with what the throttle counted where that did it."""
    return f"{ACCOUNT}, after {limits.throttled}," if limits.throttled else ACCOUNT


def strictest(limits: Limits) -> TradingState:
    """Return what orders of an account may do, whatever the instrument."""
    states = (
        state_of(halted=limits.trading_halted, reducing=limits.trading_reducing),
        state_of(halted=limits.suspended, reducing=limits.account_reducing),
        TradingState(limits.tier_state),
    )
    return max(states, key=list(TradingState).index)


def restraint(limits: Limits, instrument: InstrumentState) -> Denial | None:
    """Return why a resting order of an account may only reduce; None where it may open.

    The first reason, in the order in which new orders get them.
    """
    if limits.trading_reducing:
        return reducing_only(EXCHANGE)
    if limits.suspended:
        return deny("account_suspended")
    if limits.account_reducing:
        return reducing_only(account_named(limits))
    if limits.tier_state == TradingState.HALTED:
        return deny("tier_halted")
    if limits.tier_state == TradingState.REDUCING:
        return reducing_only(TIER)
    return reducing_only(INSTRUMENT) if instrument.reducing else None
