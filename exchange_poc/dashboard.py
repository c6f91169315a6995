"""The console's home page: figures as cards, history as charts, the buttons that matter."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse

from kpi.dashboard import Dashboard, PriceHistory, get_dashboard
from market.console.figures import money, plain
from risk.selectors import get_policy

COLORS: Final = ("#9333ea", "#0891b2", "#ea580c", "#16a34a", "#e11d48", "#ca8a04")
LONG, SHORT = "#16a34a", "#e11d48"
TICKS: Final = {"color": "#9ca3af", "maxTicksLimit": 8}


@dataclass(frozen=True, slots=True)
class Card:
    """One figure with a line of context and the page behind it; ``share`` fills a bar, in %."""

    title: str
    value: str
    note: str
    href: str
    share: float | None = None
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart as JSON for Chart.js; without data ``empty`` says what to do."""

    title: str
    kind: str
    data: str
    options: str
    empty: str


@dataclass(frozen=True, slots=True)
class Button:
    """A button that opens the dialog of an action."""

    title: str
    icon: str
    href: str
    variant: str = "default"


def show_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the console's index page."""
    dashboard = get_dashboard()
    context["cards"] = [*market_cards(dashboard), *risk_cards(dashboard)]
    context["charts"] = charts(dashboard)
    context["buttons"] = buttons(request, dashboard)
    context["is_empty"] = not dashboard.instruments
    context["title"] = "Dashboard"
    return context


def environment(request: HttpRequest) -> list[str]:
    """Return the label on every page and its colour: whether trading goes on, for staff alone."""
    halted = request.user.is_staff and get_policy().trading_halted
    return ["Trading halted", "danger"] if halted else ["Simulation", "info"]


def buttons(request: HttpRequest, dashboard: Dashboard) -> list[Button]:
    """Return the buttons that the user may press."""
    halted, may = dashboard.trading_halted, request.user.has_perm
    trading = (
        Button("Resume trading", "play_circle", action("risk_riskpolicy_resume", 1), "primary")
        if halted
        else Button("Halt trading", "front_hand", action("risk_riskpolicy_halt", 1), "danger")
    )
    offered = {
        trading: "risk.change_riskpolicy",
        Button("Market step", "skip_next", action("market_marketclock_run_step")): (
            "market.change_marketclock"
        ),
        Button("Liquidation sweep", "cleaning_services", action("trading_liquidation_sweep")): (
            "trading.add_liquidation"
        ),
        Button(
            "Fund insurance", "health_and_safety", action("accounts_account_fund_insurance")
        ): "accounts.add_transfer",
    }
    return [button for button, permission in offered.items() if may(permission)]


def market_cards(dashboard: Dashboard) -> list[Card]:
    """Return the mark price of each instrument."""
    return [
        Card(
            row.symbol,
            plain(row.mark_price),
            "halted" if row.halted else row.get_mark_source_display(),
            reverse("admin:market_instrument_change", args=[row.pk]),
            alarming=row.halted,
        )
        for row in dashboard.instruments
    ]


def risk_cards(dashboard: Dashboard) -> list[Card]:
    """Return the figures of risk and trading."""
    kpis = dashboard.kpis
    threshold = kpis.global_exposure_threshold
    share = float(100 * kpis.global_exposure / threshold) if threshold else 100.0
    return [
        Card(
            "Global exposure",
            money(kpis.global_exposure),
            f"{share:.1f} % of at most {plain(threshold)} USDT",
            changelist("risk_instrumentexposure"),
            share=min(share, 100.0),
        ),
        Card(
            "Open positions",
            f"{kpis.open_positions:,}",
            f"{kpis.total_trades:,} trades so far",
            changelist("risk_position") + "?status__exact=OPEN",
        ),
        Card(
            "Orders",
            f"{kpis.total_orders:,}",
            f"{kpis.rejected_orders:,} rejected",
            changelist("trading_order"),
        ),
        Card(
            "Liquidations",
            f"{kpis.liquidation_events:,}",
            "accounts closed out so far",
            changelist("trading_liquidation"),
        ),
        Card(
            "Insurance fund",
            money(kpis.insurance_fund),
            "USDT, pays what closed-out accounts cannot",
            changelist("accounts_transfer") + "?kind__exact=insurance_cover",
        ),
        Card(
            "Bad debt",
            money(kpis.bad_debt),
            "USDT that nobody could pay",
            changelist("accounts_transfer") + "?kind__exact=bad_debt",
            alarming=kpis.bad_debt > 0,
        ),
    ]


def charts(dashboard: Dashboard) -> list[Chart]:
    """Return prices per instrument, open interest and liquidations."""
    prices = [
        price_chart(history, COLORS[number % len(COLORS)])
        for number, history in enumerate(dashboard.price_histories)
    ]
    return [*prices, open_interest_chart(dashboard), liquidation_chart(dashboard)]


def price_chart(history: PriceHistory, color: str) -> Chart:
    return chart(
        f"{history.symbol}: mark price per minute, USDT",
        "line",
        [f"{minute:%H:%M}" for minute in history.minutes],
        [series(history.symbol, [str(price) for price in history.prices], color)],
        empty="No price yet: run a market step, or python manage.py tick.",
    )


def open_interest_chart(dashboard: Dashboard) -> Chart:
    rows = [row for row in dashboard.kpis.open_interest if row.long or row.short]
    return chart(
        "Open interest, USDT",
        "bar",
        [row.symbol for row in rows],
        [
            series("Long", [str(row.long) for row in rows], LONG),
            series("Short", [str(row.short) for row in rows], SHORT),
        ],
        empty="Nobody holds a position: place an order through the API.",
    )


def liquidation_chart(dashboard: Dashboard) -> Chart:
    rows = dashboard.liquidations
    return chart(
        "Liquidations per hour, UTC",
        "bar",
        [f"{row.hour:%H:00}" for row in rows] if any(row.count for row in rows) else [],
        [series("Liquidations", [row.count for row in rows], SHORT)],
        empty="No account was closed out in the last 24 hours.",
        precision=0,
    )


def series(label: str, values: Sequence[str | int], color: str) -> dict[str, Any]:
    """Return one data set of Chart.js, for lines as for bars."""
    return {
        "label": label,
        "data": list(values),
        "borderColor": color,
        "backgroundColor": color,
        "maxBarThickness": 48,
    }


def chart(
    title: str,
    kind: str,
    labels: list[str],
    sets: list[dict[str, Any]],
    *,
    empty: str,
    precision: int | None = None,
) -> Chart:
    """Return a chart of data sets over common labels.

    ``precision`` is the number of places of the vertical axis, where it is not left to the data.
    """
    options = {
        "responsive": True,
        "maintainAspectRatio": False,
        "animation": False,
        "elements": {
            "line": {"borderWidth": 2},
            "bar": {"borderWidth": 0},
            "point": {"radius": 0 if len(labels) > 1 else 3},
        },
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {"legend": {"display": len(sets) > 1, "labels": {"color": "#9ca3af"}}},
        "scales": {
            "x": {"ticks": TICKS},
            "y": {"ticks": {**TICKS, "precision": precision}},
        },
    }
    data = json.dumps({"labels": labels, "datasets": sets}) if labels else ""
    return Chart(title, kind, data, json.dumps(options), empty)


def changelist(model: str) -> str:
    return reverse(f"admin:{model}_changelist")


def action(name: str, *ids: int) -> str:
    return reverse(f"admin:{name}", args=ids)
