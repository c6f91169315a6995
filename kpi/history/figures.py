"""The figures of the KPI history, each declared once: snapshots, thinning, windows, series, the
dashboard and ``GET /kpi/history`` go by the list of FIGURES, in its order.

A stored figure is a column of ``KpiSnapshot``, or by instrument one of ``InstrumentSnapshot``; what
it means stands in its help text. A count adds up; of a level the last one stands for the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from functools import cached_property
from typing import Any, Final

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.health.heartbeats import uptime
from kpi.history.rows import NewRows
from kpi.requests.metrics import LATENCY_BOUNDS
from kpi.requests.quantiles import quantile
from kpi.requests.samples import Samples, api_samples, total
from kpi.selectors import (
    EffectiveLeverage,
    OpenInterest,
    accounts_near_liquidation,
    effective_leverage,
    oldest_mark_age,
)
from market.kernel.amounts import round_half_even
from market.selectors import latest_market_time
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation, Trade


class Source(Enum):
    """What a figure is read from: its snapshot itself, or other figures, need no reader."""

    SNAPSHOT = auto()
    PROCESSES = auto()
    ROWS = auto()
    PRESENT = auto()
    FIGURES = auto()


@dataclass(frozen=True, slots=True)
class Figure:
    """What the history keeps, and with a ``unit`` tells, by a name.

    ``value`` is SQL for what the snapshots of some time come to, of a level (``at_last``) for the
    last of them; ``tell`` makes a number of it. ``read`` gives a stored figure from its source.
    ``by`` names what a figure of several values tells apart.
    """

    name: str
    unit: str
    value: str
    source: Source = Source.FIGURES
    read: Callable[[Any], Any] = lambda source: None
    tell: Callable[[Any], float | None] = lambda value: None if value is None else float(value)
    by: str = ""
    at_last: bool = False

    @property
    def merged(self) -> str:
        """SQL for what the snapshots of some time come to, of a level as well."""
        return f"(array_agg({self.value} ORDER BY slot DESC))[1]" if self.at_last else self.value


class Present:
    """The exchange as it stands; what several levels need is read once."""

    @cached_property
    def open_positions(self) -> int:
        return open_positions().count()

    @cached_property
    def leverage(self) -> EffectiveLeverage:
        return effective_leverage(positions=self.open_positions)


def counter(name: str, read: Callable[[Samples], Any], unit: str = "count") -> Figure:
    """Return a count that the processes keep."""
    return Figure(name, unit, f"sum({name})", Source.PROCESSES, read)


def rows(name: str, read: Callable[[NewRows], int]) -> Figure:
    """Return a count of rows of the database."""
    return Figure(name, "count", f"sum({name})", Source.ROWS, read)


def level(name: str, unit: str, read: Callable[[Present], Any], by: str = "") -> Figure:
    return Figure(name, unit, name, Source.PRESENT, read, by=by, at_last=True)


def held(name: str, read: Callable[[OpenInterest], Decimal]) -> Figure:
    """Return a level of each instrument, in USDT."""
    return Figure(name, "USDT", f"held.{name}", Source.PRESENT, read, by="symbol", at_last=True)


def of_last(name: str, unit: str, value: str, by: str = "") -> Figure:
    """Return a level that comes from others."""
    return Figure(name, unit, value, by=by, at_last=True)


#: Beside the time of each point; no metric of its own.
MARKET_TIME: Final = level("market_time", "", lambda now: latest_market_time(), by="moment")


def per_second(name: str, counts: str) -> Figure:
    return Figure(name, "1/s", f"sum({counts}) / nullif(sum(seconds), 0)")


def latency(name: str, share: float) -> Figure:
    """Return a quantile of the latencies."""
    return Figure(name, "ms", HISTOGRAM, tell=lambda counts: quantile_ms(share, counts))


def answers(samples: Samples, *, status: int = 0) -> float:
    """Return how many API calls were answered with ``status`` and more."""
    found = api_samples(samples, "api_requests_total")
    return total([sample for sample in found if int(sample.labels["status"]) >= status])


def quantile_ms(share: float, counts: Sequence[Any]) -> float | None:
    """Return a quantile in ms of a histogram over LATENCY_BOUNDS; None of an empty one."""
    histogram = dict(zip(LATENCY_BOUNDS, map(float, counts), strict=True))
    return 1000 * quantile(share, histogram) if counts[-1] else None


HISTOGRAM: Final = "ARRAY[{}]".format(
    ", ".join(f"coalesce(sum(latency_counts[{n + 1}]), 0)" for n in range(len(LATENCY_BOUNDS)))
)
CODES: Final = """(
    SELECT coalesce(jsonb_object_agg(code, orders), '{}') FROM (
        SELECT code, sum(count::bigint) AS orders
        FROM unnest(array_agg(rejections)) AS one, jsonb_each_text(one) AS rejected (code, count)
        GROUP BY code
    ) AS summed
)"""
#: The units on the wire, as the API's document lists them.
UNITS: Final = "count, 1/s, ms, s, share (0 to 1), x (times the equity) or USDT"

FIGURES: Final = (
    Figure("seconds", "", "sum(seconds)", Source.SNAPSHOT),
    counter("requests", answers),
    per_second("requests_per_second", "requests"),
    counter("errors", lambda samples: answers(samples, status=400)),
    Figure("error_rate", "share", "sum(errors)::float / nullif(sum(requests), 0)"),
    counter("server_errors", lambda samples: answers(samples, status=500)),
    counter(
        "latency_seconds",
        lambda samples: total(api_samples(samples, "api_request_latency_seconds_sum")),
        unit="",
    ),
    Figure("latency_counts", "", HISTOGRAM, Source.SNAPSHOT, by="bound"),
    Figure("latency_ms", "ms", "1000 * sum(latency_seconds) / nullif(sum(requests), 0)"),
    latency("latency_p50_ms", 0.50),
    latency("latency_p95_ms", 0.95),
    latency("latency_p99_ms", 0.99),
    counter("auth_failures", lambda samples: total(samples.get("auth_failures_total", ()))),
    counter("rate_limit_hits", lambda samples: total(samples.get("rate_limit_hits_total", ()))),
    counter("cache_outages", lambda samples: total(samples.get("cache_outages_total", ()))),
    rows("orders_accepted", lambda new: new.accepted),
    rows("orders_rejected", lambda new: sum(new.rejections.values())),
    Figure("rejections", "", CODES, Source.ROWS, lambda new: new.rejections, by="code"),
    per_second("orders_per_second", "orders_accepted + orders_rejected"),
    rows("trades", lambda new: new.count(Trade)),
    rows("liquidations", lambda new: new.count(Liquidation)),
    level("global_exposure", "USDT", lambda now: global_exposure()),
    level("global_exposure_threshold", "USDT", lambda now: get_policy().global_exposure_threshold),
    of_last("exposure_share", "share", "global_exposure / nullif(global_exposure_threshold, 0)"),
    level("insurance_fund", "USDT", lambda now: insurance_fund_balance()),
    level("bad_debt", "USDT", lambda now: total_bad_debt()),
    level("open_positions", "count", lambda now: now.open_positions),
    level(
        "accounts_near_liquidation",
        "count",
        lambda now: accounts_near_liquidation(positions=now.open_positions),
    ),
    level("effective_leverage_p50", "x", lambda now: now.leverage.p50),
    level("effective_leverage_p95", "x", lambda now: now.leverage.p95),
    level("effective_leverage_p50_by_tier", "x", lambda now: now.leverage.p50_by_tier, by="tier"),
    level("effective_leverage_p95_by_tier", "x", lambda now: now.leverage.p95_by_tier, by="tier"),
    level("uptime", "share", lambda now: uptime()),
    level("mark_age_seconds", "s", lambda now: oldest_mark_age()),
    MARKET_TIME,
    held("open_interest_long", lambda interest: round_half_even(interest.long)),
    held("open_interest_short", lambda interest: round_half_even(interest.short)),
    of_last(
        "open_interest", "USDT", "held.open_interest_long + held.open_interest_short", by="symbol"
    ),
    held("order_notional", lambda interest: interest.order_notional),
    of_last(
        "exposure",
        "USDT",
        "held.open_interest_long + held.open_interest_short + held.order_notional",
        by="symbol",
    ),
    held("mark_price", lambda interest: interest.mark_price),
)

#: What ``GET /kpi/history`` tells.
METRICS: Final = {figure.name: figure for figure in FIGURES if figure.unit}
STORED: Final = tuple(figure for figure in FIGURES if figure.source is not Source.FIGURES)
#: The columns of a snapshot, and those of its rows by instrument.
COLUMNS: Final = tuple(figure for figure in STORED if figure.by != "symbol")
INSTRUMENT_COLUMNS: Final = tuple(figure for figure in STORED if figure.by == "symbol")
LEVELS: Final = tuple(figure for figure in COLUMNS if figure.source is Source.PRESENT)
#: The counts that are single numbers.
COUNTS: Final = tuple(figure for figure in COLUMNS if figure not in LEVELS and not figure.by)


def read_from(
    source: Source, origin: Any, *, figures: Sequence[Figure] = COLUMNS
) -> dict[str, Any]:
    """Return those of some columns of a snapshot that come from a source."""
    return {figure.name: figure.read(origin) for figure in figures if figure.source is source}
