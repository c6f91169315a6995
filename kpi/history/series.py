"""The KPI history as series for charts, bucketed by the database.

A metric of the history is one entry in METRICS or INSTRUMENT_METRICS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from kpi.health.heartbeats import multiple_before
from kpi.requests.metrics import LATENCY_BOUNDS
from kpi.requests.quantiles import quantile
from market.selectors import get_instrument
from risk.models import InstrumentExposure


@dataclass(frozen=True, slots=True)
class Window:
    """How far a series reaches back, and the seconds between its points."""

    length: timedelta
    interval: int


#: By their names on the wire.
WINDOWS: Final = {
    "5m": Window(timedelta(minutes=5), 15),
    "1h": Window(timedelta(hours=1), 15),
    "6h": Window(timedelta(hours=6), 60),
    "24h": Window(timedelta(hours=24), 300),
    "7d": Window(timedelta(days=7), 1800),
    "30d": Window(timedelta(days=30), 7200),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of the history: its unit, and its value for one bucket in SQL."""

    unit: str
    value: str


@dataclass(frozen=True, slots=True)
class QuantileMetric:
    """A quantile in ms of the latencies of a bucket's requests."""

    share: float
    unit: str = "ms"


def per_second(count: str) -> Metric:
    return Metric("1/s", f"sum({count}) / nullif(sum(seconds), 0)")


def counted(count: str) -> Metric:
    return Metric("count", f"sum({count})")


def last(level: str, unit: str) -> Metric:
    """Return a metric whose value is the last one of the bucket."""
    return Metric(unit, f"(array_agg({level} ORDER BY slot DESC))[1]")


METRICS: Final[dict[str, Metric | QuantileMetric]] = {
    "requests": counted("requests"),
    "requests_per_second": per_second("requests"),
    "errors": counted("errors"),
    "error_rate": Metric("share", "sum(errors)::float / nullif(sum(requests), 0)"),
    "server_errors": counted("server_errors"),
    "latency_ms": Metric("ms", "1000 * sum(latency_seconds) / nullif(sum(requests), 0)"),
    "latency_p50_ms": QuantileMetric(0.50),
    "latency_p95_ms": QuantileMetric(0.95),
    "latency_p99_ms": QuantileMetric(0.99),
    "auth_failures": counted("auth_failures"),
    "rate_limit_hits": counted("rate_limit_hits"),
    "cache_outages": counted("cache_outages"),
    "orders_accepted": counted("orders_accepted"),
    "orders_rejected": counted("orders_rejected"),
    "orders_per_second": per_second("orders_accepted + orders_rejected"),
    "trades": counted("trades"),
    "liquidations": counted("liquidations"),
    "global_exposure": last("global_exposure", "USDT"),
    "global_exposure_threshold": last("global_exposure_threshold", "USDT"),
    "exposure_share": last("global_exposure / nullif(global_exposure_threshold, 0)", "share"),
    "insurance_fund": last("insurance_fund", "USDT"),
    "bad_debt": last("bad_debt", "USDT"),
    "open_positions": last("open_positions", "count"),
    "accounts_near_liquidation": last("accounts_near_liquidation", "count"),
    "uptime": last("uptime", "share"),
    "mark_age_seconds": last("mark_age_seconds", "s"),
}

#: Metrics with one series per instrument: levels, in SQL of one row.
INSTRUMENT_METRICS: Final = {
    "open_interest_long": Metric("USDT", "held.open_interest_long"),
    "open_interest_short": Metric("USDT", "held.open_interest_short"),
    "open_interest": Metric("USDT", "held.open_interest_long + held.open_interest_short"),
    "order_notional": Metric("USDT", "held.order_notional"),
    "exposure": Metric(
        "USDT", "held.open_interest_long + held.open_interest_short + held.order_notional"
    ),
    "mark_price": Metric("USDT", "held.mark_price"),
}

#: As many instruments as a chart has room for.
MOST_SYMBOLS: Final = 10


@dataclass(frozen=True, slots=True)
class Point:
    """The value of the bucket that begins at ``timestamp``; None where it has no meaning."""

    timestamp: datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one instrument, oldest first."""

    symbol: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class History:
    """A metric over a window; ``series`` instead of ``points`` for a metric by instrument.

    A bucket without a snapshot has no point.
    """

    metric: str
    window: str
    unit: str
    interval_seconds: int
    points: Sequence[Point] = ()
    series: Sequence[Series] = ()


def get_history(*, metric: str, window: str, symbols: Sequence[str] = ()) -> History:
    """Return a metric over a window, oldest point first.

    A metric by instrument comes for ``symbols``, or for the MOST_SYMBOLS instruments with the
    largest exposure now. ``metric`` is one of METRICS or INSTRUMENT_METRICS, ``window`` one of
    WINDOWS. Raises UnknownSymbol.
    """
    chosen = INSTRUMENT_METRICS[metric] if metric in INSTRUMENT_METRICS else METRICS[metric]
    span = span_of(window, now=timezone.now())
    points: Sequence[Point] = ()
    series: Sequence[Series] = ()
    if metric in INSTRUMENT_METRICS:
        series = series_of(INSTRUMENT_METRICS[metric], span, symbols)
    else:
        points = points_of(METRICS[metric], span)
    return History(metric, window, chosen.unit, span.seconds, points, series)


@dataclass(frozen=True, slots=True)
class Span:
    """The buckets of a series: the first begins at ``start``."""

    start: datetime
    seconds: int


def span_of(window: str, *, now: datetime) -> Span:
    """Return the buckets of a window up to the present one; none is shorter than a snapshot's."""
    seconds = max(WINDOWS[window].interval, settings.KPI_SNAPSHOT_INTERVAL_SECONDS)
    interval = timedelta(seconds=seconds)
    return Span(multiple_before(now, interval) - WINDOWS[window].length + interval, seconds)


BUCKETS: Final = """
SELECT date_bin(%(seconds)s * interval '1 second', slot, 'epoch') AS bucket, {values}
FROM kpi_kpisnapshot
WHERE slot >= %(start)s
GROUP BY bucket
ORDER BY bucket
"""


def points_of(metric: Metric | QuantileMetric, span: Span) -> list[Point]:
    """Return the points of a metric of the whole exchange."""
    if isinstance(metric, Metric):
        return [Point(at, number(value)) for at, value in buckets(metric.value, span)]
    counts = ", ".join(f"sum(latency_counts[{n + 1}])" for n in range(len(LATENCY_BOUNDS)))
    return [Point(at, milliseconds(metric.share, row)) for at, *row in buckets(counts, span)]


def buckets(values: str, span: Span) -> list[tuple[Any, ...]]:
    """Return the buckets with their ``values``, which are SQL of this module."""
    with connection.cursor() as cursor:
        cursor.execute(
            BUCKETS.format(values=values), {"seconds": span.seconds, "start": span.start}
        )
        return cursor.fetchall()


def number(value: Decimal | float | None) -> float | None:
    return None if value is None else float(value)


def milliseconds(share: float, counts: Sequence[Decimal | None]) -> float | None:
    """Return a quantile of a histogram over LATENCY_BOUNDS; None of an empty one."""
    histogram = {
        bound: float(count or 0) for bound, count in zip(LATENCY_BOUNDS, counts, strict=True)
    }
    return 1000 * quantile(share, histogram) if histogram[LATENCY_BOUNDS[-1]] else None


# The slots are found by a statement of their own: joined, the planner expects far too many.
SERIES: Final = """
SELECT symbol, slot, {value}
FROM kpi_instrumentsnapshot AS held
JOIN market_instrument AS instrument ON instrument.id = held.instrument_id
WHERE held.slot = ANY(%s) AND held.instrument_id = ANY(%s)
ORDER BY symbol, slot
"""


def series_of(metric: Metric, span: Span, symbols: Sequence[str]) -> list[Series]:
    """Return a series for each of the instruments that has points, by symbol."""
    chosen = [get_instrument(symbol=symbol).pk for symbol in symbols[:MOST_SYMBOLS]]
    bucket_of = {slot: bucket for bucket, slot in buckets("max(slot)", span)}
    with connection.cursor() as cursor:
        cursor.execute(
            SERIES.format(value=metric.value),
            [list(bucket_of), chosen or largest_instruments()],
        )
        rows = cursor.fetchall()
    return [
        Series(symbol, [Point(bucket_of[slot], number(value)) for _, slot, value in points])
        for symbol, points in groupby(rows, key=itemgetter(0))
    ]


def largest_instruments() -> list[int]:
    """Return the ids of the MOST_SYMBOLS instruments with the largest exposure now."""
    held = (F("long_quantity") + F("short_quantity")) * F("mark_price")
    rows = InstrumentExposure.objects.order_by(-(held + F("order_notional")), "instrument_id")
    return list(rows.values_list("instrument_id", flat=True)[:MOST_SYMBOLS])
