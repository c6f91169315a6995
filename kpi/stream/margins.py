"""How near accounts are to a close-out, in levels that streams warn at.

By a share of the initial margin they are levels of the margin ratio; by maintenance brackets, where
that does not say how near a close-out is, of equity ÷ what the positions require.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from market.kernel.amounts import EXACT
from market.kernel.rows import as_array
from risk.maintenance import BRACKETS
from risk.margin import is_in_breach, margin_ratio

#: Ratios below which a level begins, from the most urgent on; those by brackets lie as far above 1
#: as the others above the usual threshold of 0.5.
LEVELS: Final = (Decimal("0.6"), Decimal("0.75"), Decimal("1.0"))
LEVELS_BY_BRACKETS: Final = (Decimal("1.2"), Decimal("1.5"), Decimal("2.0"))

STANDINGS: Final = """
SELECT account.id, account.user_id, standing.equity, standing.margin,
       CASE policy.margin_mode WHEN %s THEN standing.required END
FROM accounts_account AS account
CROSS JOIN risk_riskpolicy AS policy
LEFT JOIN risk_standing AS standing ON standing.account_id = account.id
WHERE account.id = ANY(%s::bigint[])
"""


class Standing(NamedTuple):
    """``level`` is the lowest that the ratio, or by brackets the ``cover``, is below.

    ``cover`` is equity ÷ what the positions require; None where they are not held to brackets.
    """

    user_id: int
    ratio: Decimal | None
    level: Decimal | None
    cover: Decimal | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What the event ``account`` says of it."""
        by_brackets = {} if self.cover is None else {"equity_to_maintenance": f"{self.cover:f}"}
        return {
            "event_id": None,
            "kind": "margin",
            "user_id": self.user_id,
            "margin_ratio": None if self.ratio is None else f"{self.ratio:f}",
            **by_brackets,
            "level": None if self.level is None else str(self.level),
        }


def standings_of(account_ids: Collection[int]) -> dict[int, Standing]:
    """Return where accounts stand at present marks, by account id."""
    with connection.cursor() as cursor:
        cursor.execute(STANDINGS, [BRACKETS, as_array(account_ids)])
        rows = cursor.fetchall()
    return {account_id: standing(*rest) for account_id, *rest in rows}


def standing(
    user_id: int, equity: Decimal | None, margin: Decimal | None, maintenance: Decimal | None = None
) -> Standing:
    """Return where an account stands; one without positions has no ratio."""
    if equity is None or margin is None:
        return Standing(user_id, None, None)
    against, levels = (margin, LEVELS) if maintenance is None else (maintenance, LEVELS_BY_BRACKETS)
    # The unrounded comparison, as close-outs make it, and of dust that ties up no margin.
    below = (one for one in levels if is_in_breach(equity, EXACT.multiply(one, against)))
    cover = None if maintenance is None else margin_ratio(equity, maintenance)
    return Standing(user_id, margin_ratio(equity, margin), next(below, None), cover)
