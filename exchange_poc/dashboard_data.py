"""The dashboard as JSON: cards with figures as people read them, charts with plain numbers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.models import Tier
from kpi.dashboard import Bucket, Dashboard, InstrumentFigures
from kpi.margin_ratios import AccountAtRisk, MarginRatios
from kpi.measures import MEASURES
from kpi.models import Alert
from kpi.selectors import NEAR
from market.console.figures import NOTHING, plain, rounded

Json = dict[str, Any]
Person = AbstractBaseUser | AnonymousUser
Spark = Sequence[float | None]

NO_INSTRUMENT: Final = (
    "No instrument is listed yet: list one under Instruments, or run python manage.py seed_demo, "
    "which adds demo users and money as well."
)
NO_STEP: Final = (
    "No market step yet: press Market step, or run python manage.py tick. make run takes one "
    "every second."
)


@dataclass(frozen=True, slots=True)
class Card:
    """One figure with a line of context and the page behind it.

    ``spark`` is its course over the window, ``change`` says how far it moved, ``share`` fills a
    bar (0 to 1).
    """

    title: str
    value: str
    unit: str
    note: str
    href: str
    spark: Spark = ()
    change: str = ""
    share: float | None = None
    alarming: bool = False


def dashboard_json(dashboard: Dashboard, *, user: Person) -> Json:
    """Return all that the page shows; accounts and alerts only to those who may view them."""
    may = user.has_perm  # type: ignore[union-attr]
    return {
        "window": dashboard.window,
        "at": milliseconds(dashboard.at),
        "since": milliseconds(dashboard.since),
        "interval": dashboard.interval_seconds * 1000,
        "halted": dashboard.trading_halted,
        "hint": hint(dashboard),
        "markets": [asdict(market_card(row)) for row in dashboard.instruments],
        "cards": [asdict(card) for card in cards(dashboard)],
        "charts": charts(dashboard),
        "accounts": [account_row(row) for row in dashboard.ratios.nearest]
        if may("accounts.view_account")
        else None,
        "alerts": [alert_row(row) for row in dashboard.alerts] if may("kpi.view_alert") else [],
    }


def hint(dashboard: Dashboard) -> str:
    """Return what to do on an exchange where nothing can be traded yet."""
    if not dashboard.instruments:
        return NO_INSTRUMENT
    return "" if dashboard.market_steps else NO_STEP


def market_card(row: InstrumentFigures) -> Card:
    """Return the mark price of an instrument."""
    prices = [price for _, price in row.prices]
    mark = row.instrument.mark_price
    return Card(
        title=row.instrument.symbol,
        value=plain(mark),
        unit="",
        note="halted" if row.instrument.halted else row.instrument.get_mark_source_display(),
        href=reverse("admin:market_instrument_change", args=[row.instrument.pk]),
        spark=prices,
        change=relative_change(prices, float(mark or 0)),
        alarming=row.instrument.halted,
    )


def cards(dashboard: Dashboard) -> list[Card]:
    """Return the figures of risk, trading, money and the API."""
    return [
        exposure_card(dashboard),
        accounts_card(dashboard),
        orders_card(dashboard),
        liquidations_card(dashboard),
        insurance_card(dashboard),
        bad_debt_card(dashboard),
        requests_card(dashboard),
        latency_card(dashboard),
    ]


def exposure_card(dashboard: Dashboard) -> Card:
    threshold, now = dashboard.global_exposure_threshold, dashboard.global_exposure
    share = float(now / threshold) if threshold else 1.0
    spark = course(dashboard, "global_exposure")
    return Card(
        title="Global exposure",
        value=rounded(now),
        unit="USDT",
        note=f"{share:.1%} of {plain(threshold)}",
        href=changelist("risk_instrumentexposure"),
        spark=spark,
        change=relative_change(spark, float(now)),
        share=min(share, 1.0),
        alarming=share >= 0.9,
    )


def accounts_card(dashboard: Dashboard) -> Card:
    ratios = dashboard.ratios
    limit = plain(ratios.bounds[0] * NEAR)
    return Card(
        title="Accounts near close-out",
        value=f"{ratios.near:,}",
        unit=f"of {ratios.accounts:,}",
        note=f"ratio below {limit}, {dashboard.open_positions:,} positions open",
        href=changelist("risk_position") + "?status__exact=OPEN",
        spark=course(dashboard, "accounts_near_liquidation"),
        alarming=ratios.counts[0] > 0,
    )


def orders_card(dashboard: Dashboard) -> Card:
    accepted, rejected = total(dashboard, "orders_accepted"), total(dashboard, "orders_rejected")
    orders, trades = accepted + rejected, total(dashboard, "trades")
    refused = f"{rejected / orders:.1%} rejected, " if orders else ""
    return Card(
        title="Orders",
        value=f"{orders:,}",
        unit=f"in {dashboard.window}",
        note=f"{refused}{trades:,} trades",
        href=changelist("trading_order"),
        spark=[
            (bucket.values["orders_accepted"] or 0) + (bucket.values["orders_rejected"] or 0)
            for bucket in dashboard.history
        ],
    )


def liquidations_card(dashboard: Dashboard) -> Card:
    return Card(
        title="Liquidations",
        value=f"{total(dashboard, 'liquidations'):,}",
        unit=f"in {dashboard.window}",
        note="accounts closed out",
        href=changelist("trading_liquidation"),
        spark=course(dashboard, "liquidations"),
    )


def insurance_card(dashboard: Dashboard) -> Card:
    spark = course(dashboard, "insurance_fund")
    return Card(
        title="Insurance fund",
        value=rounded(dashboard.insurance_fund),
        unit="USDT",
        note="pays what closed-out accounts cannot",
        href=changelist("accounts_transfer") + "?kind__exact=insurance_cover",
        spark=spark,
        change=absolute_change(spark, float(dashboard.insurance_fund)),
        alarming=dashboard.insurance_fund <= 0,
    )


def bad_debt_card(dashboard: Dashboard) -> Card:
    spark = course(dashboard, "bad_debt")
    return Card(
        title="Bad debt",
        value=rounded(dashboard.bad_debt),
        unit="USDT",
        note="losses that nobody could pay",
        href=changelist("accounts_transfer") + "?kind__exact=bad_debt",
        spark=spark,
        change=absolute_change(spark, float(dashboard.bad_debt)),
        alarming=dashboard.bad_debt > 0,
    )


def requests_card(dashboard: Dashboard) -> Card:
    requests, errors = total(dashboard, "requests"), total(dashboard, "errors")
    share = f"{errors / requests:.1%} errors, " if requests else ""
    return Card(
        title="API requests",
        value=f"{requests:,}",
        unit=f"in {dashboard.window}",
        note=f"{share}{total(dashboard, 'rate_limit_hits'):,} over the rate limit",
        href=reverse("docs"),
        spark=course(dashboard, "requests_per_second"),
    )


def latency_card(dashboard: Dashboard) -> Card:
    latencies = dashboard.latencies
    return Card(
        title="Latency, p95",
        value=in_ms(latencies.p95),
        unit="ms",
        note=f"median {in_ms(latencies.p50)}, p99 {in_ms(latencies.p99)}",
        href=reverse("metrics"),
        spark=[bucket.latencies.p95 for bucket in dashboard.history],
    )


def charts(dashboard: Dashboard) -> Json:
    """Return the data of each chart by the key of its frame."""
    return {
        "prices": [
            {
                "label": row.instrument.base_asset,
                "points": [[milliseconds(t), p] for t, p in row.prices],
            }
            for row in dashboard.instruments
        ],
        "exposure": {
            "points": points(dashboard, value_of("global_exposure")),
            "threshold": float(dashboard.global_exposure_threshold),
        },
        "interest": interest_chart(dashboard),
        "ratios": ratio_chart(dashboard.ratios),
        "liquidations": points(dashboard, value_of("liquidations")),
        "rejections": [
            {"label": code, "count": count} for code, count in dashboard.rejections.items()
        ],
        "latency": {
            "p50": points(dashboard, lambda bucket: bucket.latencies.p50),
            "p95": points(dashboard, lambda bucket: bucket.latencies.p95),
            "p99": points(dashboard, lambda bucket: bucket.latencies.p99),
        },
        "requests": {
            "answered": points(dashboard, value_of("requests_per_second")),
            "limited": points(dashboard, value_of("rate_limit_hits_per_second")),
        },
    }


def interest_chart(dashboard: Dashboard) -> list[Json]:
    rows = [row.interest for row in dashboard.instruments]
    return [
        {"label": row.symbol, "long": float(row.long), "short": float(row.short)}
        for row in rows
        if row.long or row.short
    ]


def ratio_chart(ratios: MarginRatios) -> Json:
    """Return the histogram by the lower bounds of its bars; none where nobody holds a position."""
    bounds = [plain(bound) for bound in ratios.bounds]
    between = [f"{low} to {high}" for low, high in pairwise(bounds)]
    return {
        "from": ["below", *bounds] if ratios.accounts else [],
        "ranges": [f"below {bounds[0]}", *between, f"{bounds[-1]} and more"],
        "counts": list(ratios.counts),
        "threshold": bounds[0],
    }


def account_row(row: AccountAtRisk) -> Json:
    return {
        "name": row.username,
        "href": reverse("admin:accounts_account_change", args=[row.account_id]),
        "tier": Tier(row.tier).label,
        "equity": rounded(row.equity),
        "margin": rounded(row.margin),
        "ratio": f"{row.ratio:,.2f}",
        "cushion": f"{row.cushion:.1%}",
    }


def alert_row(row: Alert) -> Json:
    measure = MEASURES.get(row.rule.kind)
    unit = measure.unit if measure else ""
    return {
        "severity": row.severity,
        "title": measure.label if measure else row.rule.kind,
        "text": f"{row.value:,.4g} {unit}, threshold {row.threshold:,.4g}",
        "opened": milliseconds(row.opened_at),
        "by": str(row.acknowledged_by) if row.acknowledged_by else "",
        "href": reverse("admin:kpi_alert_change", args=[row.pk]),
    }


def value_of(name: str) -> Callable[[Bucket], float | None]:
    return lambda bucket: bucket.values[name]


def course(dashboard: Dashboard, name: str) -> Spark:
    """Return a figure of the history, bucket by bucket."""
    return [bucket.values[name] for bucket in dashboard.history]


def points(dashboard: Dashboard, value: Callable[[Bucket], float | None]) -> list[list[float]]:
    """Return a series as pairs of time in ms and value, without the buckets that have none."""
    pairs = ((milliseconds(bucket.start), value(bucket)) for bucket in dashboard.history)
    return [[at, number] for at, number in pairs if number is not None]


def total(dashboard: Dashboard, name: str) -> int:
    """Return a count over the whole window."""
    return int(sum(bucket.values[name] or 0 for bucket in dashboard.history))


def relative_change(spark: Spark, now: float) -> str:
    """Say by how much a figure moved since the window's first one: ``▲ 1.25%``."""
    first = next((value for value in spark if value), None)
    return moved((now - first) / first, "{:.2%}") if first else ""


def absolute_change(spark: Spark, now: float) -> str:
    """Say by how much a figure in USDT moved since the window's first one: ``▼ 1,300.00``."""
    first = next((value for value in spark if value is not None), None)
    return "" if first is None else moved(now - first, "{:,.2f}")


def moved(by: float, written: str) -> str:
    text = written.format(abs(by))
    if not text.strip("0.%"):
        return "unchanged"
    return f"{'▲' if by > 0 else '▼'} {text}"


def in_ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.1f}"


def milliseconds(moment: datetime) -> int:
    """Return a time as JavaScript counts it, in ms since the epoch."""
    return int(moment.timestamp() * 1000)


def changelist(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
