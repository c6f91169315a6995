"""Metrics that are read from the database at scrape time, so that they agree with it."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db.models import F
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.audit.checks import last_audit_differences
from kpi.checks.ages import audit_check_age, ledger_check_age
from kpi.checks.ledger import last_differences
from kpi.health.heartbeats import heartbeat_age
from kpi.history.totals import count_ever
from kpi.selectors import open_alerts_by_rule, open_interest
from market.models import Instrument
from risk.selectors import get_policy, global_exposure, open_positions
from trading.models import Liquidation

log = structlog.get_logger(__name__)


class DatabaseCollector(Collector):
    """Yields the exchange's figures, or, when the database is away, only that it is."""

    def collect(self) -> Iterable[Metric]:
        try:
            families = [
                *read_totals(),
                read_open_interest(),
                *read_ticks(),
                *read_heartbeat(),
                *read_checks(),
                read_alerts(),
            ]
        except DatabaseError as error:
            log.warning("database_away", reason=type(error).__name__)
            families = []
        yield GaugeMetricFamily(
            "database_up", "Whether the database answered this scrape.", bool(families)
        )
        yield from families


def read_totals() -> Iterator[Metric]:
    yield CounterMetricFamily(
        "liquidation_events", "Close-outs of accounts.", count_ever(Liquidation).rows
    )
    gauges: dict[str, tuple[str, Decimal | int]] = {
        "global_exposure_usdt": ("Exposure of all users.", global_exposure()),
        "global_exposure_threshold_usdt": (
            "The exposure of all users that no order may exceed.",
            get_policy().global_exposure_threshold,
        ),
        "open_positions": ("Open positions.", open_positions().count()),
        "insurance_fund_usdt": ("What the insurance fund holds.", insurance_fund_balance()),
        "bad_debt_usdt": ("Losses that nobody could pay.", total_bad_debt()),
    }
    for name, (help_text, value) in gauges.items():
        yield GaugeMetricFamily(name, help_text, float(value))


def read_open_interest() -> Metric:
    family = GaugeMetricFamily(
        "open_interest_usdt", "Open interest at the mark price.", labels=["symbol", "side"]
    )
    for interest in open_interest():
        family.add_metric([interest.symbol, "long"], float(interest.long))
        family.add_metric([interest.symbol, "short"], float(interest.short))
    return family


def read_ticks() -> Iterator[Metric]:
    """Yield how old marks are, and how often beat is told to renew them."""
    yield GaugeMetricFamily(
        "market_tick_interval_seconds",
        "Beat's interval of market steps; 0 where it makes none.",
        settings.TICK_INTERVAL_SECONDS,
    )
    family = GaugeMetricFamily(
        "market_tick_age_seconds", "Time since the last mark price.", labels=["symbol"]
    )
    now = timezone.now()
    marks = Instrument.objects.exclude(marked_at=None).values_list("symbol", F("marked_at"))
    for symbol, marked_at in marks:
        family.add_metric([symbol], (now - marked_at).total_seconds())
    yield family


def read_heartbeat() -> Iterator[Metric]:
    """Yield the age of the last heartbeat; nothing before the first one."""
    age = heartbeat_age()
    if age is not None:
        yield GaugeMetricFamily(
            "worker_heartbeat_age_seconds",
            "Time since a worker's last heartbeat.",
            age.total_seconds(),
        )


def read_checks() -> Iterator[Metric]:
    """Yield what the last checks found and how late the next are; what is not known is left out."""
    figures = {
        "ledger_differences": ("Differences that the last ledger check found.", last_differences()),
        "audit_differences": (
            "Differences that the last verification of the audit trail found.",
            last_audit_differences(),
        ),
        "ledger_check_age_intervals": (
            "Intervals of its schedule since the last ledger check.",
            ledger_check_age(),
        ),
        "audit_check_age_intervals": (
            "Intervals of its schedule since the last verification of the audit trail.",
            audit_check_age(),
        ),
    }
    for name, (help_text, value) in figures.items():
        if value is not None:
            yield GaugeMetricFamily(name, help_text, value)


def read_alerts() -> Metric:
    family = GaugeMetricFamily(
        "open_alerts", "Open alerts of the rule.", labels=["rule", "severity"]
    )
    for kind, severity, count in open_alerts_by_rule():
        family.add_metric([kind, severity], count)
    return family
