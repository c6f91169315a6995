"""The throttle of repeated execution: from how many fills in how long an account may only reduce.

Pure. RTS 6 art. 15(3): a system is disabled after so many repeated executions until staff enable it
again. A fill counts while its account is ACTIVE, whether it opens or closes; what the exchange
closes out does not.

"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from risk.state import Limits

#: The fewest fills that repeat anything, the most that are counted, and the longest window.
FEWEST_FILLS: Final = 2
MOST_FILLS: Final = 10_000
LONGEST_FILLS_WINDOW: Final = 3_600


@dataclass(frozen=True, slots=True)
class Filled:
    """The fills of an account that counted before a booking: how many, which numbers its own.

    ``earlier`` are the times of those that stand ``max_fills`` − 1 before the booking's first fill,
    its second and so on; None where no fill stands there, or one that counts no more.
    """

    total: int
    max_fills: int
    earlier: Sequence[datetime | None]


def counts_fills(limits: Limits) -> bool:
    """Tell whether a fill counts for the throttle."""
    return bool(limits.max_fills) and not (limits.suspended or limits.account_reducing)


def throttled(
    max_fills: int, seconds: int, *, nth: int, earlier: datetime | None, now: datetime
) -> str:
    """Return why the account may only reduce by now, such as ``5 fills in 60 s``; else nothing.

    Asked of the ``nth`` fill of a booking, all of whose fills are of one moment. ``earlier`` is
    that of the fill ``max_fills`` − 1 before it, which is out of the window once it is as old.
    """
    if nth < max_fills and (earlier is None or now - earlier >= timedelta(seconds=seconds)):
        return ""
    return f"{max_fills} fills in {seconds} s"


def held(limits: Limits, why: str) -> Limits:
    """Return the limits of an account that the throttle lets only reduce."""
    return replace(limits, account_reducing=True, throttled=why)
