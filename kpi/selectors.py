"""What the exchange stands at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import Count, Min, Q
from django.utils import timezone

from kpi.models import AlertRule
from market.models import Instrument
from risk.models import InstrumentExposure


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """What is held of an instrument and reserved by its orders, in USDT at its mark price."""

    instrument_id: int
    symbol: str
    mark_price: Decimal
    long: Decimal
    short: Decimal
    order_notional: Decimal


def open_interest() -> list[OpenInterest]:
    """Return the open interest per instrument, at the marks of the global exposure."""
    exposures = InstrumentExposure.objects.order_by("instrument__symbol").values_list(
        "instrument_id",
        "instrument__symbol",
        "mark_price",
        "long_quantity",
        "short_quantity",
        "order_notional",
    )
    return [
        OpenInterest(instrument, symbol, mark, long * mark, short * mark, ordered)
        for instrument, symbol, mark, long, short, ordered in exposures
    ]


def oldest_mark_age() -> float | None:
    """Return how many seconds ago the oldest mark price was set; None without any."""
    oldest = Instrument.objects.aggregate(at=Min("marked_at"))["at"]
    return None if oldest is None else (timezone.now() - oldest).total_seconds()


NEAR_LIQUIDATION: Final = """
SELECT count(*)
FROM risk_standing
WHERE margin_slack(equity, %s * required) < 0
"""
#: How far above what is required equity counts as near it.
NEAR: Final = Decimal("1.2")
#: Beyond so many open positions the look at all of them takes too long.
MOST_POSITIONS: Final = 50_000


def accounts_near_liquidation(*, positions: int) -> int | None:
    """Return how many accounts have an equity below NEAR × what their positions require.

    None with more than MOST_POSITIONS open ``positions``.
    """
    if positions > MOST_POSITIONS:
        return None
    with connection.cursor() as cursor:
        cursor.execute(NEAR_LIQUIDATION, [NEAR])
        [[count]] = cursor.fetchall()
    return int(count)


EFFECTIVE_LEVERAGE: Final = """
SELECT coalesce(owner.tier, ''),
       percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY notional / equity)
FROM risk_standing AS standing
JOIN accounts_user AS owner ON owner.id = standing.user_id
WHERE equity > 0
GROUP BY GROUPING SETS ((), (owner.tier))
"""


@dataclass(frozen=True, slots=True)
class EffectiveLeverage:
    """Percentiles over the accounts with open positions, by tier those of the tier's accounts."""

    p50: float | None = None
    p95: float | None = None
    p50_by_tier: Mapping[str, float] = field(default_factory=dict)
    p95_by_tier: Mapping[str, float] = field(default_factory=dict)


def effective_leverage(*, positions: int) -> EffectiveLeverage:
    """Return how far the accounts are levered: Σ|quantity| × mark ÷ equity of each.

    An account whose equity is not above 0 is left out: the next sweep closes it out. A percentile
    is the leverage of an account, the lowest that half or 95 % of them do not exceed. None with
    more than MOST_POSITIONS open ``positions``.
    """
    if positions > MOST_POSITIONS:
        return EffectiveLeverage()
    with connection.cursor() as cursor:
        cursor.execute(EFFECTIVE_LEVERAGE)
        rows = [(tier, *map(float, ranks)) for tier, ranks in cursor.fetchall() if ranks]
    p50, p95 = ({tier: ranks[n] for tier, *ranks in rows} for n in (0, 1))
    return EffectiveLeverage(p50.pop("", None), p95.pop("", None), p50, p95)


def open_alerts_by_rule() -> list[tuple[str, str, int]]:
    """Return kind, severity and number of open alerts of every rule; above 1 only of events."""
    is_open = Count("alerts", filter=Q(alerts__opened_at__isnull=False, alerts__resolved_at=None))
    rules = AlertRule.objects.order_by("kind", "severity").annotate(open=is_open)
    return list(rules.values_list("kind", "severity", "open"))
