"""The trading states of the exchange, an instrument, a tier, an account: what orders may do there.

Where a switch stops all orders, a second one lets only reducing ones pass, and the state is what
both say: the first stands above the second, so that they never contradict each other.
"""

from enum import StrEnum


class TradingState(StrEnum):
    """From the freest to the strictest."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"

    def is_stricter_than(self, other: "TradingState") -> bool:
        order = list(TradingState)
        return order.index(self) > order.index(other)


def state_of(*, halted: bool, reducing: bool) -> TradingState:
    """Return the state that two switches say."""
    if halted:
        return TradingState.HALTED
    return TradingState.REDUCING if reducing else TradingState.ACTIVE
