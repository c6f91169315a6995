"""The KPIs over the last minutes or hours: snapshots added up, and what happened since."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from kpi.counters import increase, latency_counts, summed
from kpi.heartbeats import uptime
from kpi.metrics import LATENCY_BOUNDS
from kpi.models import KpiReading
from kpi.quantiles import quantile
from kpi.selectors import (
    SecurityKpis,
    SystemKpis,
    TradingKpis,
    get_security_kpis,
    get_trading_kpis,
    new_rows,
    orders_by_code,
)
from kpi.sources import read_local_counters
from trading.models import Liquidation, Trade

#: By their names on the wire.
KPI_WINDOWS: Final = {
    "5m": timedelta(minutes=5),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
}


@dataclass(frozen=True, slots=True)
class Totals:
    """What happened in ``seconds``; ``latency_counts`` in the order of LATENCY_BOUNDS."""

    seconds: float
    requests: int
    errors: int
    server_errors: int
    latency_seconds: float
    auth_failures: int
    rate_limit_hits: int
    cache_outages: int
    orders_accepted: int
    orders_rejected: int
    trades: int
    liquidations: int
    latency_counts: Sequence[int]

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the latencies in ms; 0 without requests."""
        counts = map(float, self.latency_counts)
        return 1000 * quantile(share, dict(zip(LATENCY_BOUNDS, counts, strict=True)))


COUNTS: Final = (
    *("requests", "errors", "server_errors", "latency_seconds", "auth_failures"),
    *("rate_limit_hits", "cache_outages", "orders_accepted", "orders_rejected"),
    *("trades", "liquidations"),
)
TOTALS: Final = """
SELECT {sums} FROM kpi_kpisnapshot WHERE slot > %s
""".format(
    sums=", ".join(
        f"coalesce(sum({value}), 0)"
        for value in (
            *("seconds", *COUNTS),
            *(f"latency_counts[{n + 1}]" for n in range(len(LATENCY_BOUNDS))),
        )
    )
)


def stored_totals(*, since: datetime) -> Totals:
    """Return the sums of the snapshots after ``since``."""
    with connection.cursor() as cursor:
        cursor.execute(TOTALS, [since])
        [row] = cursor.fetchall()
    seconds, *counts = row
    values: dict[str, Any] = dict(zip(COUNTS, counts, strict=False))
    latencies = [int(count) for count in counts[len(COUNTS) :]]
    whole = {name: int(value) for name, value in values.items() if name != "latency_seconds"}
    return Totals(
        seconds=seconds,
        latency_seconds=float(values["latency_seconds"]),
        latency_counts=latencies,
        **whole,
    )


def totals_over(length: timedelta) -> Totals:
    """Return what happened in the last ``length``, up to now.

    As far as the snapshots reach back, and to the beginning of the first of them.
    """
    now = timezone.now()
    stored = stored_totals(since=now - length)
    reading = KpiReading.objects.get(id=1)
    if reading.read_at is None:
        return stored
    return with_present(stored, reading, now=now)


def with_present(stored: Totals, reading: KpiReading, *, now: datetime) -> Totals:
    """Add what happened since the last reading."""
    assert reading.read_at is not None
    counters = {
        source: after
        for source, after in read_local_counters().items()
        if source in reading.counters
    }
    new = summed([increase(reading.counters[source], after) for source, after in counters.items()])
    codes = orders_by_code(after=reading.last_order_id)
    accepted = codes.pop("", 0)
    trades = new_rows(Trade, after=reading.last_trade_id)
    liquidations = new_rows(Liquidation, after=reading.last_liquidation_id)
    return replace(
        stored,
        seconds=stored.seconds + (now - reading.read_at).total_seconds(),
        latency_seconds=stored.latency_seconds + new.get("latency_seconds", 0.0),
        latency_counts=[
            before + more
            for before, more in zip(stored.latency_counts, latency_counts(new), strict=True)
        ],
        orders_accepted=stored.orders_accepted + accepted,
        orders_rejected=stored.orders_rejected + sum(codes.values()),
        trades=stored.trades + trades,
        liquidations=stored.liquidations + liquidations,
        **{name: getattr(stored, name) + int(new.get(name, 0)) for name in REQUEST_COUNTS},
    )


REQUEST_COUNTS: Final = (
    *("requests", "errors", "server_errors"),
    *("auth_failures", "rate_limit_hits", "cache_outages"),
)


def system_kpis_over(length: timedelta) -> SystemKpis:
    """Return how the API performed in the last ``length``; uptime as ever, over 24 hours."""
    totals = totals_over(length)
    return SystemKpis(
        latency_ms=1000 * totals.latency_seconds / totals.requests if totals.requests else 0.0,
        latency_p50_ms=totals.quantile_ms(0.50),
        latency_p95_ms=totals.quantile_ms(0.95),
        latency_p99_ms=totals.quantile_ms(0.99),
        error_rate=totals.errors / totals.requests if totals.requests else 0.0,
        uptime=uptime(),
        requests=totals.requests,
        window_seconds=totals.seconds,
    )


def trading_kpis_over(length: timedelta) -> TradingKpis:
    """Return what was traded in the last ``length``, and what is at stake now."""
    totals = totals_over(length)
    return replace(
        get_trading_kpis(),
        total_orders=totals.orders_accepted + totals.orders_rejected,
        rejected_orders=totals.orders_rejected,
        total_trades=totals.trades,
        liquidation_events=totals.liquidations,
    )


def security_kpis_over(length: timedelta) -> SecurityKpis:
    """Return what was refused in the last ``length``, and the keys as they are now."""
    totals = totals_over(length)
    return replace(
        get_security_kpis(),
        auth_failures=totals.auth_failures,
        rate_limit_hits=totals.rate_limit_hits,
        total_requests=totals.requests,
        cache_outages=totals.cache_outages,
    )
