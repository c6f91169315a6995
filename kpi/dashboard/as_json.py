"""The dashboard as JSON: cards and rows as people read them, charts with plain numbers."""

from dataclasses import fields
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.models import Tier
from kpi.alerts.measures import name_of, written
from kpi.dashboard.attention import Concern
from kpi.dashboard.cards import Card, cards, market_card
from kpi.dashboard.charts import CHARTS, milliseconds
from kpi.dashboard.figures import Dashboard
from kpi.dashboard.margin_ratios import AccountAtRisk
from kpi.models import Alert
from market.kernel.console.figures import rounded
from market.kernel.states import TradingState

Json = dict[str, Any]
Person = AbstractBaseUser | AnonymousUser

NO_INSTRUMENT: Final = (
    "No instrument is listed yet: list one under Instruments, or run python manage.py seed_demo, "
    "which adds demo users and money as well."
)
NO_STEP: Final = (
    "No market step yet: press Market step, or run python manage.py tick. make run takes one "
    "every second."
)


def dashboard_json(dashboard: Dashboard, *, user: Person) -> Json:
    """Return all that the page shows; what staff may not view is left out."""
    may = user.has_perm  # type: ignore[union-attr]
    return {
        "window": dashboard.window,
        "at": milliseconds(dashboard.at),
        "since": milliseconds(dashboard.since),
        "interval": dashboard.interval_seconds * 1000,
        "replayed": replayed(dashboard),
        "halted": dashboard.trading_state == TradingState.HALTED,
        "hint": hint(dashboard),
        "markets": [card_json(market_card(row)) for row in dashboard.instruments],
        "cards": [card_json(card) for card in cards(dashboard)],
        "charts": {chart.key: chart.data(dashboard) for chart in CHARTS},
        "accounts": [account_row(row) for row in dashboard.ratios.nearest]
        if may("accounts.view_account")
        else None,
        "attention": [
            *(concern_row(one) for one in dashboard.concerns if may(one.permission)),
            *(alert_row(row) for row in dashboard.alerts if may("kpi.view_alert")),
        ],
    }


def replayed(dashboard: Dashboard) -> list[tuple[int, int]]:
    """Return the times of the buckets in which candles were replayed, and those of the candles."""
    times = ((bucket.start, bucket.values["market_time"]) for bucket in dashboard.history)
    return [(milliseconds(at), milliseconds(candle)) for at, candle in times if candle is not None]


def card_json(card: Card) -> Json:
    return {field.name: getattr(card, field.name) for field in fields(card)}


def hint(dashboard: Dashboard) -> str:
    """Return what to do on an exchange where nothing can be traded yet."""
    if not dashboard.instruments:
        return NO_INSTRUMENT
    return "" if dashboard.market_steps else NO_STEP


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


def concern_row(one: Concern) -> Json:
    return {
        "severity": one.severity,
        "title": one.title,
        "text": one.text,
        "href": one.href,
        "opened": None,
        "by": "",
    }


def alert_row(row: Alert) -> Json:
    kind, about = row.rule.kind, f"{row.subject}: " if row.subject else ""
    return {
        "severity": row.severity,
        "title": name_of(kind),
        "text": f"{about}{written(kind, row.value)}, threshold {written(kind, row.threshold)}",
        "opened": milliseconds(row.opened_at),
        "by": str(row.acknowledged_by) if row.acknowledged_by else "",
        "href": reverse("admin:kpi_alert_change", args=[row.pk]),
    }
