"""The dashboard as JSON: cards as people read them, charts with plain numbers."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse

from accounts.models import Tier
from kpi.alerts.measures import MEASURES
from kpi.dashboard.cards import Card, cards, market_card
from kpi.dashboard.figures import Bucket, Dashboard
from kpi.dashboard.margin_ratios import AccountAtRisk, MarginRatios
from kpi.models import Alert
from market.kernel.console.figures import plain, rounded

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
    """Return all that the page shows; accounts and alerts only to those who may view them."""
    may = user.has_perm  # type: ignore[union-attr]
    return {
        "window": dashboard.window,
        "at": milliseconds(dashboard.at),
        "since": milliseconds(dashboard.since),
        "interval": dashboard.interval_seconds * 1000,
        "halted": dashboard.trading_halted,
        "hint": hint(dashboard),
        "markets": [card_json(market_card(row)) for row in dashboard.instruments],
        "cards": [card_json(card) for card in cards(dashboard)],
        "charts": charts(dashboard),
        "accounts": [account_row(row) for row in dashboard.ratios.nearest]
        if may("accounts.view_account")
        else None,
        "alerts": [alert_row(row) for row in dashboard.alerts] if may("kpi.view_alert") else [],
    }


def card_json(card: Card) -> Json:
    return {field.name: getattr(card, field.name) for field in fields(card)}


def hint(dashboard: Dashboard) -> str:
    """Return what to do on an exchange where nothing can be traded yet."""
    if not dashboard.instruments:
        return NO_INSTRUMENT
    return "" if dashboard.market_steps else NO_STEP


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
    about = f"{row.subject}: " if row.subject else ""
    return {
        "severity": row.severity,
        "title": measure.label if measure else row.rule.kind,
        "text": f"{about}{row.value:,.4g} {unit}, threshold {row.threshold:,.4g}",
        "opened": milliseconds(row.opened_at),
        "by": str(row.acknowledged_by) if row.acknowledged_by else "",
        "href": reverse("admin:kpi_alert_change", args=[row.pk]),
    }


def value_of(name: str) -> Callable[[Bucket], float | None]:
    return lambda bucket: bucket.values[name]


def points(dashboard: Dashboard, value: Callable[[Bucket], float | None]) -> list[list[float]]:
    """Return a series as pairs of time in ms and value, without the buckets that have none."""
    pairs = ((milliseconds(bucket.start), value(bucket)) for bucket in dashboard.history)
    return [[at, number] for at, number in pairs if number is not None]


def milliseconds(moment: datetime) -> int:
    """Return a time as JavaScript counts it, in ms since the epoch."""
    return int(moment.timestamp() * 1000)
