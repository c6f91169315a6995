"""The throttle of repeated execution: from how many fills in how long an account may only reduce.

Pure. RTS 6 art. 15(3): a system is disabled after so many repeated executions until staff enable it
again. A fill counts while its account is ACTIVE, whether it opens or closes; what the exchange
closes out does not.

"""

from dataclasses import dataclass, replace
from typing import Final

from risk.state import Limits

#: The fewest fills that repeat anything, the most that are counted, and the longest window.
FEWEST_FILLS: Final = 2
MOST_FILLS: Final = 10_000
LONGEST_FILLS_WINDOW: Final = 3_600


@dataclass(frozen=True, slots=True)
class Filled:
    """How many fills of an account count: in the policy's window, and in all, by which each has
    its number."""

    in_window: int
    total: int

    def plus_one(self) -> "Filled":
        return Filled(self.in_window + 1, self.total + 1)


def counts_fills(limits: Limits) -> bool:
    """Tell whether a fill counts for the throttle."""
    return bool(limits.max_fills) and not (limits.suspended or limits.account_reducing)


def throttled(limits: Limits, filled: Filled) -> str:
    """Return why the account may only reduce by now, such as ``5 fills in 60 s``; else nothing."""
    if filled.in_window < limits.max_fills:
        return ""
    return f"{limits.max_fills} fills in {limits.fills_window_seconds} s"


def held(limits: Limits, why: str) -> Limits:
    """Return the limits of an account that the throttle lets only reduce."""
    return replace(limits, account_reducing=True, throttled=why)
