"""The console's home: figures as cards, history as charts. Amounts in USDT."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from kpi.selectors import get_trading_kpis
from market.console import plain
from market.models import Instrument
from market.selectors import candles, current_prices
from risk.selectors import get_policy
from trading.models import Liquidation

MINUTES_OF_PRICES: Final = 60
HOURS_OF_LIQUIDATIONS: Final = 24
COLORS: Final = ("#9333ea", "#0891b2", "#ea580c", "#16a34a", "#e11d48", "#ca8a04")


@dataclass(frozen=True, slots=True)
class Card:
    """One figure with a line of context and the list behind it."""

    title: str
    value: str
    note: str
    href: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart as JSON for Chart.js; without data ``empty`` says what to do."""

    title: str
    kind: str
    data: str
    options: str
    empty: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the context of the console's index page."""
    context["prices"] = list(current_prices())
    context["cards"] = cards(context["prices"])
    context["charts"] = [
        *(price_chart(row, COLORS[n % len(COLORS)]) for n, row in enumerate(context["prices"])),
        open_interest_chart(),
        liquidation_chart(),
    ]
    return context


def cards(prices: list[Instrument]) -> list[Card]:
    """Return the figures of the moment."""
    kpis, policy = get_trading_kpis(), get_policy()
    threshold = plain(kpis.global_exposure_threshold)
    state = "halted" if policy.trading_halted else "open"
    marks = [
        Card(
            row.symbol,
            plain(row.mark_price),
            "halted" if row.halted else f"{row.get_mark_source_display()}",
            changelist("market", "instrument"),
        )
        for row in prices
    ]
    return [
        Card("Trading", state, "change in the risk policy", changelist("risk", "riskpolicy")),
        Card(
            "Global exposure",
            plain(kpis.global_exposure),
            f"of at most {threshold} USDT",
            changelist("risk", "instrumentexposure"),
        ),
        Card(
            "Open positions",
            plain_count(kpis.open_positions),
            f"{plain_count(kpis.total_trades)} trades so far",
            changelist("risk", "position") + "?status__exact=OPEN",
        ),
        Card(
            "Orders",
            plain_count(kpis.total_orders),
            f"{plain_count(kpis.rejected_orders)} rejected",
            changelist("trading", "order"),
        ),
        Card(
            "Liquidations",
            plain_count(kpis.liquidation_events),
            "since the beginning",
            changelist("trading", "liquidation"),
        ),
        Card(
            "Insurance fund",
            plain(kpis.insurance_fund),
            f"bad debt {plain(kpis.bad_debt)} USDT",
            changelist("accounts", "transfer"),
        ),
        *marks,
    ]


def price_chart(instrument: Instrument, color: str) -> Chart:
    """Return the closes of the last minutes of one instrument."""
    history = candles(symbol=instrument.symbol, interval="1m", limit=MINUTES_OF_PRICES)
    return chart(
        f"{instrument.symbol}, mark price per minute ({instrument.quote_asset})",
        "line",
        [candle.open_time.strftime("%H:%M") for candle in history],
        {instrument.symbol: [float(candle.close) for candle in history]},
        empty="No price in the last hour: is the beat running? Try python manage.py tick.",
        colors=(color,),
    )


def open_interest_chart() -> Chart:
    """Return what is held long and short of each instrument."""
    rows = get_trading_kpis().open_interest
    held = any(row.long or row.short for row in rows)
    return chart(
        "Open interest (USDT)",
        "bar",
        [row.symbol for row in rows] if held else [],
        {"Long": [float(row.long) for row in rows], "Short": [float(row.short) for row in rows]},
        empty="Nobody holds a position: place an order through the API.",
        colors=("#16a34a", "#e11d48"),
    )


def liquidation_chart() -> Chart:
    """Return the close-outs per hour of the last day."""
    since = timezone.now() - timedelta(hours=HOURS_OF_LIQUIDATIONS)
    rows = (
        Liquidation.objects.filter(created_at__gte=since)
        .order_by()
        .values(hour=TruncHour("created_at"))
        .annotate(count=Count("id"))
        .order_by("hour")
    )
    return chart(
        "Liquidations per hour",
        "bar",
        [row["hour"].strftime("%d %H:00") for row in rows],
        {"Liquidations": [row["count"] for row in rows]},
        empty="No account was liquidated in the last 24 hours.",
        colors=("#e11d48",),
    )


def chart(
    title: str,
    kind: str,
    labels: list[str],
    series: dict[str, list[float]],
    *,
    empty: str,
    colors: tuple[str, ...],
) -> Chart:
    """Return a chart of named series over common labels."""
    sets = [
        {
            "label": name,
            "data": values,
            "borderColor": color,
            "backgroundColor": color,
            "displayYAxis": True,
        }
        for (name, values), color in zip(series.items(), colors, strict=False)
    ]
    options = {
        "responsive": True,
        "maintainAspectRatio": False,
        "animation": False,
        "elements": {"point": {"radius": 0}},
        "plugins": {"legend": {"display": len(sets) > 1}},
        "scales": {"y": {"display": True}, "x": {"display": True, "ticks": {"maxTicksLimit": 8}}},
    }
    data = json.dumps({"labels": labels, "datasets": sets}) if labels else ""
    return Chart(title, kind, data, json.dumps(options), empty)


def changelist(app: str, model: str) -> str:
    return reverse(f"admin:{app}_{model}_changelist")


def plain_count(number: int) -> str:
    return f"{number:,}"
