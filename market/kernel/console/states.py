"""The actions of a page that change a trading state, by what each leads to."""

from collections.abc import Iterable
from typing import Any, Final

from market.kernel.states import TradingState

LEADS_TO: Final = {
    "halt": TradingState.HALTED,
    "suspend": TradingState.HALTED,
    "reduce": TradingState.REDUCING,
    "resume": TradingState.ACTIVE,
}


def but_useless(actions: Iterable[Any], present: TradingState) -> list[Any]:
    """Return the actions without the one that leads where one is."""
    return [one for one in actions if LEADS_TO.get(one.method.__name__) != present]
