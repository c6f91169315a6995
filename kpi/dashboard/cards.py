"""The cards of the dashboard: each one figure as people read it, with its course and its page."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from kpi.dashboard.attention import NEAR_THRESHOLD
from kpi.dashboard.figures import Dashboard, InstrumentFigures
from kpi.history.figures import quantile_ms
from kpi.selectors import NEAR
from market.kernel.console.figures import NOTHING, counted, grouped, rounded
from market.kernel.states import TradingState

Spark = Sequence[float | None]


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


def market_card(row: InstrumentFigures) -> Card:
    """Return the mark price of an instrument."""
    prices = [price for _, price in row.prices]
    mark = row.instrument.mark_price
    return Card(
        title=row.instrument.symbol,
        value=grouped(mark),
        unit="",
        note=row.instrument.get_mark_source_display()
        if row.instrument.state == TradingState.ACTIVE
        else row.instrument.state.lower(),
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
    share = dashboard.exposure_share
    spark = course(dashboard, "global_exposure")
    return Card(
        title="Global exposure",
        value=rounded(now),
        unit="USDT",
        note=f"{share:.1%} of {grouped(threshold)}",
        href=changelist("risk_instrumentexposure"),
        spark=spark,
        change=relative_change(spark, float(now)),
        share=min(share, 1.0),
        alarming=share >= NEAR_THRESHOLD,
    )


def accounts_card(dashboard: Dashboard) -> Card:
    ratios = dashboard.ratios
    limit, of = grouped(ratios.bounds[0] * NEAR), ratios.of.removeprefix("margin ")
    return Card(
        title="Accounts near close-out",
        value=f"{ratios.near:,}",
        unit=f"of {ratios.accounts:,}",
        note=f"{of} below {limit}, {counted(dashboard.open_positions, 'position')} open",
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
        note=f"{refused}{counted(trades, 'trade')}",
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
        spark=[bucket.per_second("requests") for bucket in dashboard.history],
    )


def latency_card(dashboard: Dashboard) -> Card:
    p50, p95, p99 = (in_ms(quantile_ms(q, dashboard.latency_counts)) for q in (0.50, 0.95, 0.99))
    return Card(
        title="Latency, p95",
        value=p95,
        unit="ms",
        note=f"median {p50}, p99 {p99}",
        href=reverse("metrics"),
        spark=[quantile_ms(0.95, bucket.latency_counts) for bucket in dashboard.history],
    )


def course(dashboard: Dashboard, name: str) -> Spark:
    """Return a figure of the history, bucket by bucket."""
    return [bucket.values[name] for bucket in dashboard.history]


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


def changelist(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
