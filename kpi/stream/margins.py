"""How near accounts are to a close-out, in levels of their margin ratio that streams warn at."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from market.kernel.rows import as_array
from risk.margin import initial_share, is_in_breach, margin_ratio

#: Ratios below which a level begins, from the most urgent on.
LEVELS: Final = (Decimal("0.6"), Decimal("0.75"), Decimal("1.0"))

STANDINGS: Final = """
SELECT account.id, account.user_id, standing.equity, standing.margin
FROM accounts_account AS account
LEFT JOIN risk_standing AS standing ON standing.account_id = account.id
WHERE account.id = ANY(%s::bigint[])
"""


class Standing(NamedTuple):
    """``level`` is the lowest of LEVELS that the ratio is below, None above all of them."""

    user_id: int
    ratio: Decimal | None
    level: Decimal | None

    @property
    def data(self) -> dict[str, Any]:
        """What the event ``account`` says of it."""
        return {
            "event_id": None,
            "kind": "margin",
            "user_id": self.user_id,
            "margin_ratio": None if self.ratio is None else f"{self.ratio:f}",
            "level": None if self.level is None else str(self.level),
        }


def standings_of(account_ids: Collection[int]) -> dict[int, Standing]:
    """Return where accounts stand at present marks, by account id."""
    with connection.cursor() as cursor:
        cursor.execute(STANDINGS, [as_array(account_ids)])
        rows = cursor.fetchall()
    return {account_id: standing(*rest) for account_id, *rest in rows}


def standing(user_id: int, equity: Decimal | None, margin: Decimal | None) -> Standing:
    """Return where an account stands; one without positions has no ratio."""
    if equity is None or margin is None:
        return Standing(user_id, None, None)
    ratio = margin_ratio(equity, margin)
    # The unrounded comparison, as close-outs make it, and of dust that ties up no margin.
    level = next((one for one in LEVELS if is_in_breach(equity, initial_share(margin, one))), None)
    return Standing(user_id, ratio, level)
