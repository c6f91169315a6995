"""The KPIs over the last minutes or hours: snapshots added up, and what happened since.

Counts that reach further back than the window, as after an outage of the worker, belong to no
moment within it and are left out; ``seconds`` says what is covered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.selectors import count_active_keys, count_revoked_keys
from kpi.health.heartbeats import uptime
from kpi.history.counters import latency_counts, risen
from kpi.history.sources import read_local_counters
from kpi.models import KpiReading
from kpi.requests.metrics import LATENCY_BOUNDS
from kpi.requests.quantiles import quantile
from kpi.selectors import (
    SecurityKpis,
    SystemKpis,
    TradingKpis,
    new_rows,
    orders_by_code,
    trading_kpis,
)
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
SELECT {sums} FROM kpi_kpisnapshot
WHERE slot > %(since)s AND slot <= %(until)s
  AND slot - seconds * interval '1 second' >= %(earliest)s
""".format(
    sums=", ".join(
        f"coalesce(sum({value}), 0)"
        for value in (
            *("seconds", *COUNTS),
            *(f"latency_counts[{n + 1}]" for n in range(len(LATENCY_BOUNDS))),
        )
    )
)
#: Snapshots of this length at least may overlap the beginning of a window: thinned ones do.
SHORTEST_OVERLAP: Final = timedelta(minutes=1)


def earliest_start(since: datetime) -> datetime:
    """Return how early counts may begin that belong to a window: two snapshots before it."""
    interval = timedelta(seconds=settings.KPI_SNAPSHOT_INTERVAL_SECONDS)
    return since - max(2 * interval, SHORTEST_OVERLAP)


def stored_totals(*, since: datetime, until: datetime) -> Totals:
    """Return the sums of the snapshots after ``since``, up to the one taken at ``until``."""
    moments = {"since": since, "earliest": earliest_start(since), "until": until}
    with connection.cursor() as cursor:
        cursor.execute(TOTALS, moments)
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


@dataclass(frozen=True)
class Windows:
    """What happened up to one moment, in windows of any length; everything is read once."""

    now: datetime = field(default_factory=timezone.now)

    def over(self, length: timedelta) -> Totals:
        """Return what happened in the last ``length``, as far as the snapshots reach back."""
        if length not in self._known:
            self._known[length] = self._read(length)
        return self._known[length]

    @cached_property
    def _known(self) -> dict[timedelta, Totals]:
        return {}

    def _read(self, length: timedelta) -> Totals:
        since, read_at = self.now - length, self._reading.read_at
        # No later snapshot than the reading's: what it counts is counted from the reading on.
        stored = stored_totals(since=since, until=read_at or self.now)
        if read_at is None or read_at < earliest_start(since):
            return stored
        return with_present(stored, self._present)

    @cached_property
    def _reading(self) -> KpiReading:
        return KpiReading.objects.get(id=1)

    @cached_property
    def _present(self) -> Mapping[str, float]:
        return since_reading(self._reading, now=self.now)


def since_reading(reading: KpiReading, *, now: datetime) -> dict[str, float]:
    """Return what happened since the last reading, by the names of Totals and of the counters."""
    assert reading.read_at is not None
    codes = orders_by_code(after=reading.last_order_id)
    return {
        **risen(reading.counters, read_local_counters(), read_at=reading.read_at.timestamp()),
        "seconds": (now - reading.read_at).total_seconds(),
        "orders_accepted": codes.pop("", 0),
        "orders_rejected": sum(codes.values()),
        "trades": new_rows(Trade, after=reading.last_trade_id),
        "liquidations": new_rows(Liquidation, after=reading.last_liquidation_id),
    }


def with_present(stored: Totals, present: Mapping[str, float]) -> Totals:
    """Add what happened since the last reading."""
    pairs = zip(stored.latency_counts, latency_counts(present), strict=True)
    return replace(
        stored,
        seconds=stored.seconds + present["seconds"],
        latency_seconds=stored.latency_seconds + present.get("latency_seconds", 0.0),
        latency_counts=[before + more for before, more in pairs],
        **{
            n: getattr(stored, n) + int(present.get(n, 0)) for n in COUNTS if n != "latency_seconds"
        },
    )


def system_kpis_over(length: timedelta) -> SystemKpis:
    """Return how the API performed in the last ``length``; uptime as ever, over 24 hours."""
    totals = Windows().over(length)
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
    totals = Windows().over(length)
    return trading_kpis(
        total_orders=totals.orders_accepted + totals.orders_rejected,
        rejected_orders=totals.orders_rejected,
        total_trades=totals.trades,
        liquidation_events=totals.liquidations,
    )


def security_kpis_over(length: timedelta) -> SecurityKpis:
    """Return what was refused in the last ``length``, and the keys as they are now."""
    totals = Windows().over(length)
    return SecurityKpis(
        auth_failures=totals.auth_failures,
        rate_limit_hits=totals.rate_limit_hits,
        total_requests=totals.requests,
        cache_outages=totals.cache_outages,
        active_keys=count_active_keys(),
        revoked_keys=count_revoked_keys(),
    )
