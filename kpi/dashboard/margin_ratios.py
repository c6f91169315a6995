"""How close the accounts stand to their close-out: one aggregate over the open positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from kpi.selectors import NEAR
from market.kernel.amounts import EXACT, ZERO, round_half_even
from risk.maintenance import Requirement
from risk.margin import margin_ratio, margin_slack

#: Bounds of the distribution, in multiples of what closes an account out.
MULTIPLES: Final = (
    *(Decimal(1), NEAR, Decimal("1.5"), Decimal(2), Decimal(3)),
    *(Decimal(4), Decimal(6), Decimal(10), Decimal(20), Decimal(40)),
)
MOST_ACCOUNTS: Final = 8
MARGIN_RATIO: Final = "margin ratio"
BY_MAINTENANCE: Final = "equity ÷ maintenance"


@dataclass(frozen=True, slots=True)
class AccountAtRisk:
    """An account with open positions; amounts in USDT, ``margin`` that of its positions.

    ``ratio`` is the one that accounts are told by, ``cushion`` the share of its exposure
    that the account may lose before it is closed out.
    """

    account_id: int
    username: str
    tier: str
    equity: Decimal
    margin: Decimal
    ratio: Decimal
    cushion: Decimal


@dataclass(frozen=True, slots=True)
class MarginRatios:
    """The accounts with open positions by margin ratio, or by equity ÷ maintenance (``of``).

    ``counts[0]`` lie below ``bounds[0]``, where they are closed out: the threshold, by brackets 1;
    the last count has no upper bound.
    """

    bounds: Sequence[Decimal]
    counts: Sequence[int]
    nearest: Sequence[AccountAtRisk]
    of: str = MARGIN_RATIO

    @property
    def accounts(self) -> int:
        return sum(self.counts)

    @property
    def near(self) -> int:
        """How many accounts are within NEAR times of where they are closed out."""
        return sum(self.counts[: MULTIPLES.index(NEAR) + 1])


# First a row for each bucket with its size, then one for each of the nearest accounts.
MARGIN_RATIOS: Final = """
WITH ratios AS MATERIALIZED (
    SELECT account_id, user_id, equity, margin, required, {against} AS against,
           equity / {against} AS ratio
    FROM risk_standing WHERE {against} > 0
), nearest AS (
    SELECT * FROM ratios ORDER BY ratio, account_id LIMIT %(most)s
)
SELECT bucket, count(*), NULL::numeric AS ratio, NULL::bigint, NULL, NULL, NULL::numeric,
       NULL::numeric, NULL::numeric, NULL::numeric, NULL::numeric
FROM (SELECT width_bucket(ratio, %(bounds)s::numeric[]) AS bucket FROM ratios) AS placed
GROUP BY bucket
UNION ALL
SELECT NULL, NULL, ratio, account_id, owner.username, owner.tier, equity, margin, required, against,
       (SELECT notional FROM risk_standing AS own WHERE own.account_id = nearest.account_id)
FROM nearest
JOIN accounts_user AS owner ON owner.id = nearest.user_id
ORDER BY ratio NULLS FIRST, 4
"""


def margin_ratios(*, by: Requirement) -> MarginRatios:
    """Return the distribution of the margin ratios and the MOST_ACCOUNTS lowest ones.

    By brackets a margin ratio does not say how near a close-out is: there equity is held against
    maintenance instead.
    """
    closed_out_at, against = (
        (Decimal(1), "required") if by.is_by_brackets else (by.threshold, "margin")
    )
    bounds = [round_half_even(closed_out_at * multiple) for multiple in MULTIPLES]
    with connection.cursor() as cursor:
        cursor.execute(
            MARGIN_RATIOS.format(against=against), {"bounds": bounds, "most": MOST_ACCOUNTS}
        )
        rows = cursor.fetchall()
    sizes = {bucket: size for bucket, size, *_ in rows if bucket is not None}
    return MarginRatios(
        bounds=bounds,
        counts=[sizes.get(bucket, 0) for bucket in range(len(bounds) + 1)],
        nearest=[at_risk(account) for bucket, _, _, *account in rows if bucket is None],
        of=BY_MAINTENANCE if by.is_by_brackets else MARGIN_RATIO,
    )


def at_risk(row: Sequence[Any]) -> AccountAtRisk:
    """Return the account of the last columns of a row of MARGIN_RATIOS."""
    account_id, username, tier, equity, margin, required, against, notional = row
    ratio, spare = margin_ratio(equity, against), max(margin_slack(equity, required), ZERO)
    assert ratio is not None
    return AccountAtRisk(
        account_id=account_id,
        username=username,
        tier=tier,
        equity=round_half_even(equity),
        margin=margin,
        ratio=ratio,
        cushion=round_half_even(EXACT.divide(spare, notional)) if notional else ZERO,
    )
