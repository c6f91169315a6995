"""How many accounts each tier has and their exposure, as beat last counted them.

All accounts are passed for it, so that beat has the slow worker do so once a minute, later while a
check runs, whoever looks at the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from kpi.models import KpiReading

#: How long the count may take, in ms; else the last one stays, and grows old.
LONGEST: Final = 20_000

# Positions and orders in one statement: an order that fills moves from these to those.
COUNT: Final = """
SELECT owner.tier, count(*),
       (coalesce(sum(standing.notional), 0)
           + coalesce(sum(reservation.reserved_notional), 0))::text
FROM accounts_account AS account
JOIN accounts_user AS owner ON owner.id = account.user_id
LEFT JOIN risk_reservation AS reservation ON reservation.account_id = account.id
LEFT JOIN risk_standing AS standing ON standing.account_id = account.id
GROUP BY owner.tier
"""


@dataclass(frozen=True, slots=True)
class TierCounts:
    """By tier (accounts, their exposure in USDT); ``at`` is None before the first count."""

    at: datetime | None = None
    by_tier: Mapping[str, tuple[int, Decimal]] = field(default_factory=dict)


def count_tiers() -> None:
    """Count the accounts of each tier and keep it. Raises OperationalError after LONGEST."""
    with transaction.atomic():
        now = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(LONGEST)])
            cursor.execute(COUNT)
            counted: dict[str, Any] = {tier: row for tier, *row in cursor.fetchall()}
        KpiReading.objects.update(tier_counts={"at": now.isoformat(), "by_tier": counted})


def tier_counts() -> TierCounts:
    """Return what was counted last."""
    [kept] = KpiReading.objects.values_list("tier_counts", flat=True)
    if not kept:
        return TierCounts()
    by_tier = {tier: (count, Decimal(usdt)) for tier, (count, usdt) in kept["by_tier"].items()}
    return TierCounts(datetime.fromisoformat(kept["at"]), by_tier)
