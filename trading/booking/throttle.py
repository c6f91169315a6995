"""Counts the fills of locked accounts for the throttle of repeated execution, where it is on.

Each counted fill has a number of its account, so that what came in a window is the difference of
two numbers, each found by one look into an index, however long the history.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from django.db import connection

from risk.state import Limits, RiskSnapshot
from risk.throttle import Filled, counts_fills, held, throttled

# The latest number goes by no clock, since those of web processes differ. What the throttle counted
# when it held an account back does not count again.
FILLED: Final = """
SELECT id, latest - greatest(fills_before, before), latest
FROM (
    SELECT account.id, account.fills_before, coalesce((
        SELECT max(own.fill_number) FROM trading_trade AS own
        WHERE own.account_id = account.id AND own.fill_number IS NOT NULL
    ), 0) AS latest, coalesce((
        SELECT own.fill_number FROM trading_trade AS own
        WHERE own.account_id = account.id AND own.fill_number IS NOT NULL
        AND own.created_at <= %(now)s::timestamptz - fills_window_seconds * interval '1 second'
        ORDER BY own.created_at DESC, own.fill_number DESC LIMIT 1
    ), 0) AS before
    FROM accounts_account AS account, risk_riskpolicy
    WHERE account.id = ANY(%(accounts)s)
) AS counted
"""


class Throttle:
    """What the throttle counts of an account in a transaction; ``why`` once it holds it back."""

    def __init__(self, limits: Limits, filled: Filled) -> None:
        self._limits, self.filled, self.why = limits, filled, ""

    def count(self) -> int | None:
        """Count a fill and return its number, none where the account is held back already."""
        if self.why:
            return None
        self.filled = self.filled.plus_one()
        self.why = throttled(self._limits, self.filled)
        return self.filled.total

    def held(self, limits: Limits) -> Limits:
        """Return the limits that hold after what was counted."""
        return held(limits, self.why) if self.why else limits


def read_throttles(snapshots: Iterable[RiskSnapshot], *, now: datetime) -> dict[int, Throttle]:
    """Return the throttles of locked accounts whose fills count, by account id.

    Where none does, nothing is asked.
    """
    limits = {one.account.account_id: one.limits for one in snapshots if counts_fills(one.limits)}
    if not limits:
        return {}
    filled = read_filled(account_ids=limits, now=now)
    return {account_id: Throttle(own, filled[account_id]) for account_id, own in limits.items()}


def read_filled(*, account_ids: Collection[int], now: datetime) -> dict[int, Filled]:
    """Return how many fills of accounts count at a moment, by account id."""
    with connection.cursor() as cursor:
        cursor.execute(FILLED, {"accounts": list(account_ids), "now": now})
        return {account_id: Filled(*counts) for account_id, *counts in cursor.fetchall()}
