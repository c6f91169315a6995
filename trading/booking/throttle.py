"""Counts the fills of locked accounts for the throttle of repeated execution, where it is on.

Each counted fill has a number of its account, so that the one that a fill may come too soon after
is found by its number, and what came in a window is the difference of two numbers: each by one look
into an index, however long the history.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from django.db import connection

from risk.state import Limits, RiskSnapshot
from risk.throttle import Filled, counts_fills, held, throttled

# The latest number goes by no clock, since those of web processes differ.
LATEST: Final = """
    SELECT max(own.fill_number) FROM trading_trade AS own
    WHERE own.account_id = account.id AND own.fill_number IS NOT NULL"""
# When the fill came that stands max_fills - 1 before the nth of a booking. What the throttle
# counted when it held the account back does not count again.
EARLIER: Final = """
    SELECT own.created_at FROM trading_trade AS own
    WHERE own.account_id = account.id AND own.fill_number IS NOT NULL
    AND own.fill_number = account.filled + nth - account.max_fills + 1
    AND own.fill_number > account.fills_before"""
FILLED: Final = f"""
WITH account AS MATERIALIZED (
    SELECT account.id, account.fills_before, max_fills, fills, coalesce(({LATEST}
    ), 0) AS filled
    FROM unnest(%(accounts)s::bigint[], %(fills)s::bigint[]) AS asked (account_id, fills)
    JOIN accounts_account AS account ON account.id = asked.account_id
    CROSS JOIN risk_riskpolicy
)
SELECT id, filled, max_fills, ARRAY(
    SELECT ({EARLIER}
    ) FROM generate_series(1, fills) AS nth ORDER BY nth
) FROM account
"""  # noqa: S608
IN_WINDOW: Final = f"""
SELECT latest - greatest(fills_before, before)
FROM (
    SELECT account.fills_before, coalesce(({LATEST}
    ), 0) AS latest, coalesce((
        SELECT own.fill_number FROM trading_trade AS own
        WHERE own.account_id = account.id AND own.fill_number IS NOT NULL
        AND own.created_at <= %(now)s::timestamptz - fills_window_seconds * interval '1 second'
        ORDER BY own.created_at DESC, own.fill_number DESC LIMIT 1
    ), 0) AS before
    FROM accounts_account AS account, risk_riskpolicy
    WHERE account.id = %(account)s
) AS counted
"""  # noqa: S608


class Throttle:
    """What the throttle counts of an account in a booking; ``why`` once it holds it back.

    ``total`` is the number of the account's latest fill.
    """

    def __init__(self, limits: Limits, filled: Filled) -> None:
        self._seconds, self._filled = limits.fills_window_seconds, filled
        self.total, self.why = filled.total, ""

    def count(self, now: datetime) -> int | None:
        """Count a fill and return its number, none where the account is held back already."""
        if self.why:
            return None
        earlier = self._filled.earlier[self.total - self._filled.total]
        self.total += 1
        self.why = throttled(
            self._filled.max_fills,
            self._seconds,
            nth=self.total - self._filled.total,
            earlier=earlier,
            now=now,
        )
        return self.total

    def held(self, limits: Limits) -> Limits:
        """Return the limits that hold after what was counted."""
        return held(limits, self.why) if self.why else limits


def throttle_of(limits: Limits, filled: Filled | None) -> Throttle | None:
    """Return the throttle of an account whose fills count, given what counted before."""
    return Throttle(limits, filled) if filled and counts_fills(limits) else None


def read_throttles(
    snapshots: Iterable[RiskSnapshot], *, fills: Mapping[int, int]
) -> dict[int, Throttle]:
    """Return the throttles of locked accounts whose fills count, by account id.

    ``fills`` says how many fills each may have at most. Where none counts, nothing is asked.
    """
    limits = {one.account.account_id: one.limits for one in snapshots if counts_fills(one.limits)}
    if not limits:
        return {}
    asked = {"accounts": list(limits), "fills": [fills[account_id] for account_id in limits]}
    with connection.cursor() as cursor:
        cursor.execute(FILLED, asked)
        return {
            account_id: Throttle(limits[account_id], Filled(*filled))
            for account_id, *filled in cursor.fetchall()
        }


def fills_in_window(*, account_id: int, now: datetime) -> int:
    """Return how many fills of an account count at a moment."""
    with connection.cursor() as cursor:
        cursor.execute(IN_WINDOW, {"account": account_id, "now": now})
        return int(cursor.fetchone()[0])
