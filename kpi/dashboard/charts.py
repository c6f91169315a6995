"""The charts of the dashboard: each a frame and what is drawn in it, as plain numbers.

One over time is a list of lines, which the page draws as they come; others have a drawing of their
own in ``dashboard.js``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from accounts.models import Tier
from kpi.dashboard.figures import Bucket, Dashboard
from kpi.history.figures import quantile_ms
from market.kernel.console.figures import grouped

Value = Callable[[Bucket], float | None]

NO_SNAPSHOT: Final = "No figures in this window yet: the worker stores them every few seconds."
NO_POSITION: Final = "Nobody holds a position: place an order through the API."


@dataclass(frozen=True, slots=True)
class Chart:
    """The frame of one chart and its ``data``; without any ``empty`` says what to do."""

    key: str
    title: str
    unit: str
    empty: str
    data: Callable[[Dashboard], Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A value over time; ``fill`` colours what lies below it."""

    label: str
    value: Value
    fill: bool = False


def lines(unit: str, *drawn: Line) -> Callable[[Dashboard], Any]:
    """Return the data of a chart over time; ``unit`` stands behind its values."""
    return lambda dashboard: {
        "unit": unit,
        "lines": [
            {"label": line.label, "fill": line.fill, "points": points(dashboard, line.value)}
            for line in drawn
        ],
    }


def figure(name: str) -> Value:
    return lambda bucket: bucket.values[name]


def of_tier(tier: Tier, name: str) -> Value:
    return lambda bucket: bucket.values[name].get(tier.value)


def per_second(name: str) -> Value:
    return lambda bucket: bucket.per_second(name)


def latency(share: float) -> Value:
    return lambda bucket: quantile_ms(share, bucket.latency_counts)


def points(dashboard: Dashboard, value: Value) -> list[tuple[int, float]]:
    """Return a series as pairs of time in ms and value, without the buckets that have none."""
    pairs = ((milliseconds(bucket.start), value(bucket)) for bucket in dashboard.history)
    return [(at, number) for at, number in pairs if number is not None]


def milliseconds(moment: datetime) -> int:
    """Return a time as JavaScript counts it, in ms since the epoch."""
    return int(moment.timestamp() * 1000)


def prices(dashboard: Dashboard) -> Any:
    return [
        {
            "label": row.instrument.base_asset,
            "points": [(milliseconds(t), p) for t, p in row.prices],
        }
        for row in dashboard.instruments
    ]


def exposure(dashboard: Dashboard) -> Any:
    return {
        "points": points(dashboard, figure("global_exposure")),
        "threshold": float(dashboard.global_exposure_threshold),
    }


def interest(dashboard: Dashboard) -> Any:
    rows = [row.interest for row in dashboard.instruments]
    return [
        {"label": row.symbol, "long": float(row.long), "short": float(row.short)}
        for row in rows
        if row.long or row.short
    ]


def ratios(dashboard: Dashboard) -> Any:
    """Return the histogram by the lower bounds of its bars; none where nobody holds a position."""
    bounds = [grouped(bound) for bound in dashboard.ratios.bounds]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return {
        "from": ["below", *bounds] if dashboard.ratios.accounts else [],
        "ranges": [f"below {bounds[0]}", *between, f"{bounds[-1]} and more"],
        "counts": list(dashboard.ratios.counts),
        "threshold": bounds[0],
        "of": dashboard.ratios.of,
    }


def rejections(dashboard: Dashboard) -> Any:
    return [{"label": code, "count": count} for code, count in dashboard.rejections.items()]


CHARTS: Final[Sequence[Chart]] = (
    Chart(
        "prices",
        "Mark prices",
        "change over the window, %",
        "No price yet: run a market step, or python manage.py tick.",
        prices,
    ),
    Chart("exposure", "Global exposure", "USDT", NO_SNAPSHOT, exposure),
    Chart("interest", "Open interest by instrument", "USDT, short and long", NO_POSITION, interest),
    Chart("ratios", "Margin ratios", "accounts with open positions", NO_POSITION, ratios),
    Chart(
        "liquidations",
        "Liquidations",
        "accounts closed out",
        "No account was closed out in this window.",
        lambda dashboard: points(dashboard, figure("liquidations")),
    ),
    Chart(
        "rejections",
        "Rejected orders",
        "by the check that refused them",
        "No order was refused in this window.",
        rejections,
    ),
    Chart(
        "leverage",
        "Effective leverage",
        "notional ÷ equity, accounts with open positions",
        NO_POSITION,
        lines(
            "x",
            Line("Median", figure("effective_leverage_p50")),
            Line("p95", figure("effective_leverage_p95")),
            *(
                Line(f"p95, {tier.label}", of_tier(tier, "effective_leverage_p95_by_tier"))
                for tier in Tier
            ),
        ),
    ),
    Chart(
        "latency",
        "Latency of the API",
        "ms, percentiles",
        "No request in this window: call the API.",
        lines(
            "ms",
            Line("Median", latency(0.50)),
            Line("p95", latency(0.95)),
            Line("p99", latency(0.99)),
        ),
    ),
    Chart(
        "requests",
        "Requests",
        "per second",
        NO_SNAPSHOT,
        lines(
            "per second",
            Line("Answered", per_second("requests"), fill=True),
            Line("Refused with 429", per_second("rate_limit_hits")),
        ),
    ),
)
