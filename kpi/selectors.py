"""The KPIs: what the API did since its processes started, and what the exchange stands at."""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import Case, Count, F, Min, Q, Value, When
from django.utils import timezone
from prometheus_client.samples import Sample

from accounts.selectors import (
    count_active_keys,
    count_revoked_keys,
    insurance_fund_balance,
    total_bad_debt,
)
from kpi.health.heartbeats import uptime
from kpi.models import AlertRule
from kpi.requests.quantiles import quantile
from kpi.requests.samples import Samples, api_samples, read_samples
from market.models import Instrument
from risk.models import InstrumentExposure
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation, Order, OrderStatus, Trade

LARGEST_ID: Final = 2**63 - 1
#: The orders that count as rejected, in totals and in windows.
REJECTED: Final = Q(status=OrderStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class SystemKpis:
    """Latencies in milliseconds, rates as shares from 0 to 1, the window in seconds."""

    latency_ms: float
    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    error_rate: float
    uptime: float
    requests: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """What is held of an instrument and reserved by its orders, in USDT at its mark price."""

    instrument_id: int
    symbol: str
    mark_price: Decimal
    long: Decimal
    short: Decimal
    order_notional: Decimal


@dataclass(frozen=True, slots=True)
class TradingKpis:
    """Counts, and amounts in USDT."""

    total_orders: int
    rejected_orders: int
    total_trades: int
    liquidation_events: int
    open_positions: int
    open_interest: Sequence[OpenInterest]
    global_exposure: Decimal
    global_exposure_threshold: Decimal
    insurance_fund: Decimal
    bad_debt: Decimal


@dataclass(frozen=True, slots=True)
class SecurityKpis:
    """Counts."""

    auth_failures: int
    rate_limit_hits: int
    total_requests: int
    cache_outages: int
    active_keys: int
    revoked_keys: int


def get_system_kpis() -> SystemKpis:
    """Return how the API performs, over all processes and since the first of them started."""
    samples = read_samples()
    answers = api_samples(samples, "api_requests_total")
    requests = total(answers)
    failed = total([sample for sample in answers if int(sample.labels["status"]) >= 400])
    seconds = sum(s.value for s in api_samples(samples, "api_request_latency_seconds_sum"))
    buckets = latency_buckets(samples)
    return SystemKpis(
        latency_ms=1000 * seconds / requests if requests else 0.0,
        latency_p50_ms=1000 * quantile(0.50, buckets),
        latency_p95_ms=1000 * quantile(0.95, buckets),
        latency_p99_ms=1000 * quantile(0.99, buckets),
        error_rate=failed / requests if requests else 0.0,
        uptime=uptime(),
        requests=requests,
        window_seconds=window_seconds(samples),
    )


def get_trading_kpis() -> TradingKpis:
    """Return what was traded ever and what is at stake, from the database."""
    orders = Order.objects.aggregate(total=Count("id"), rejected=Count("id", filter=REJECTED))
    return trading_kpis(
        total_orders=orders["total"],
        rejected_orders=orders["rejected"],
        total_trades=Trade.objects.count(),
        liquidation_events=count_liquidations(),
    )


def trading_kpis(**counts: int) -> TradingKpis:
    """Return what is at stake now beside the counts of some time."""
    return TradingKpis(
        **counts,
        open_positions=open_positions().count(),
        open_interest=open_interest(),
        global_exposure=global_exposure(),
        global_exposure_threshold=get_policy().global_exposure_threshold,
        insurance_fund=insurance_fund_balance(),
        bad_debt=total_bad_debt(),
    )


def get_security_kpis() -> SecurityKpis:
    """Return what was refused, over all processes and since the first of them started."""
    samples = read_samples()
    return SecurityKpis(
        auth_failures=total(samples["auth_failures_total"]),
        rate_limit_hits=total(samples["rate_limit_hits_total"]),
        total_requests=total(api_samples(samples, "api_requests_total")),
        cache_outages=total(samples["cache_outages_total"]),
        active_keys=count_active_keys(),
        revoked_keys=count_revoked_keys(),
    )


def count_liquidations() -> int:
    """Return how many accounts were closed out, ever."""
    return Liquidation.objects.count()


def open_interest() -> list[OpenInterest]:
    """Return the open interest per instrument, at the marks of the global exposure."""
    exposures = InstrumentExposure.objects.select_related("instrument").order_by(
        "instrument__symbol"
    )
    return [
        OpenInterest(
            instrument_id=exposure.instrument_id,
            symbol=exposure.instrument.symbol,
            mark_price=exposure.mark_price,
            long=exposure.long_quantity * exposure.mark_price,
            short=exposure.short_quantity * exposure.mark_price,
            order_notional=exposure.order_notional,
        )
        for exposure in exposures
    ]


def oldest_mark_age() -> float | None:
    """Return how many seconds ago the oldest mark price was set; None without any."""
    oldest = Instrument.objects.aggregate(at=Min("marked_at"))["at"]
    return None if oldest is None else (timezone.now() - oldest).total_seconds()


NEAR_LIQUIDATION: Final = """
SELECT count(*)
FROM risk_standing
CROSS JOIN risk_riskpolicy AS policy
WHERE margin_slack(equity, margin, %s * policy.liquidation_threshold) < 0
"""
#: How far above the threshold a margin ratio counts as near it.
NEAR: Final = Decimal("1.2")
#: Beyond so many open positions the look at all of them takes too long.
MOST_POSITIONS: Final = 50_000


def accounts_near_liquidation(*, positions: int) -> int | None:
    """Return how many accounts have a margin ratio below NEAR × the liquidation threshold.

    None with more than MOST_POSITIONS open ``positions``.
    """
    if positions > MOST_POSITIONS:
        return None
    with connection.cursor() as cursor:
        cursor.execute(NEAR_LIQUIDATION, [NEAR])
        [[count]] = cursor.fetchall()
    return int(count)


CountedModel = type[Order] | type[Trade] | type[Liquidation]


def orders_by_code(*, after: int, until: int = LARGEST_ID) -> dict[str, int]:
    """Return how many orders have ids above ``after`` by reject code; "" of the accepted ones.

    An accepted order that expired has a code too and still is an accepted one.
    """
    rows = Order.objects.filter(id__gt=after, id__lte=until).order_by()
    code = Case(When(REJECTED, then=F("reject_code")), default=Value(""))
    return dict(rows.values_list(code).annotate(Count("id")))


def new_rows(model: CountedModel, *, after: int, until: int = LARGEST_ID) -> int:
    """Return how many rows have ids above ``after``."""
    return model.objects.filter(id__gt=after, id__lte=until).count()


def open_alerts_by_rule() -> list[tuple[str, str, int]]:
    """Return kind, severity and number of open alerts of every rule; above 1 only of events."""
    is_open = Count("alerts", filter=Q(alerts__opened_at__isnull=False, alerts__resolved_at=None))
    rules = AlertRule.objects.order_by("kind", "severity").annotate(open=is_open)
    return list(rules.values_list("kind", "severity", "open"))


def total(samples: Sequence[Sample]) -> int:
    return int(sum(sample.value for sample in samples))


def latency_buckets(samples: Samples) -> dict[float, float]:
    """Return the cumulative latency histogram over all endpoints, by upper bound in seconds."""
    buckets: dict[float, float] = defaultdict(float)
    for sample in api_samples(samples, "api_request_latency_seconds_bucket"):
        bound = sample.labels["le"]
        buckets[math.inf if bound == "+Inf" else float(bound)] += sample.value
    return buckets


def window_seconds(samples: Samples) -> float:
    """Return since when the counters count, in seconds before now."""
    # A child forked from a process that had noted its start shows 0 until it notes its own.
    starts = [s.value for s in samples["counting_since_timestamp_seconds"] if s.value > 0]
    return max(time.time() - min(starts), 0.0) if starts else 0.0
