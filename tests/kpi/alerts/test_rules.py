"""Alerts open once, follow their measure, resolve below the threshold, and are acknowledged."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from prometheus_client import REGISTRY

from accounts.models import User
from kpi.alerts.measures import MEASURES
from kpi.alerts.rules import acknowledge_alert, apply_rule, change_rule, create_rule, evaluate_rules
from kpi.checks.ledger import check_ledger
from kpi.errors import AlreadyAcknowledged, UnknownMeasure
from kpi.history.snapshots import take_snapshot
from kpi.models import Alert, AlertDelivery, AlertRule, LedgerCheck
from kpi.services import record_heartbeat
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.services import resume_instrument
from risk.models import GlobalExposure
from risk.services import change_policy
from tests.conftest import ApiClient
from tests.kpi.conftest import Order
from tests.kpi.test_collectors import scrape
from trading.steps.step import run_market_step

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

Measured = Callable[[float | None], Alert | None]


@pytest.fixture
def rule(db: None) -> AlertRule:
    return create_rule(
        reason="A test",
        kind="latency_p95",
        threshold=100,
        window_seconds=60,
        severity="critical",
        enabled=True,
    )


@pytest.fixture
def measured(rule: AlertRule) -> Measured:
    """Tell the rule a value of its measure; return its open alert."""

    def tell(value: float | None) -> Alert | None:
        apply_rule(rule_id=rule.pk, value=value)
        return Alert.objects.filter(rule=rule, resolved_at=None).first()

    return tell


def opened() -> set[tuple[str, str]]:
    alerts = Alert.objects.filter(resolved_at=None)
    return set(alerts.values_list("rule__kind", "severity"))


def test_an_alert_opens_above_the_threshold_and_once(measured: Measured) -> None:
    assert measured(100) is None
    first = measured(101)
    assert first is not None
    assert (first.value, first.threshold, first.severity) == (101, 100, "critical")
    assert measured(150) == measured(120) == first
    again = measured(110)
    assert again is not None
    assert (again.value, again.peak) == (110, 150)


def test_it_resolves_some_way_below_the_threshold(measured: Measured) -> None:
    first = measured(101)
    assert measured(91) == first
    assert measured(90) is None
    assert measured(99) is None
    assert measured(101) != first


def test_what_is_not_measured_resolves(measured: Measured) -> None:
    assert measured(101) is not None
    assert measured(None) is None


def test_a_rule_that_is_switched_off_resolves(measured: Measured, rule: AlertRule) -> None:
    assert measured(101) is not None
    change_rule(reason="A test", rule_id=rule.pk, changes={"enabled": False})
    evaluate_rules()
    assert not Alert.objects.filter(rule=rule, resolved_at=None).exists()
    assert rule.history.count() == 2


def test_the_database_refuses_a_second_open_alert(measured: Measured) -> None:
    alert = measured(101)
    assert alert is not None
    alert.pk = None
    with pytest.raises(IntegrityError, match="alert_one_open_per_rule"), transaction.atomic():
        Alert.objects.bulk_create([alert])


def test_an_alert_is_acknowledged_once(measured: Measured, user: User) -> None:
    alert = measured(101)
    assert alert is not None
    acknowledge_alert(alert_id=alert.pk, user=user)
    alert.refresh_from_db()
    assert alert.acknowledged_by == user
    with pytest.raises(AlreadyAcknowledged):
        acknowledge_alert(alert_id=alert.pk, user=user)


def test_a_rule_needs_a_measure(rule: AlertRule) -> None:
    with pytest.raises(UnknownMeasure):
        change_rule(reason="A test", rule_id=rule.pk, changes={"kind": "weather"})


def test_every_default_rule_has_a_measure_and_a_quiet_exchange_no_alert(db: None) -> None:
    assert {rule.kind for rule in AlertRule.objects.all()} == set(MEASURES)
    evaluate_rules()
    assert opened() == set()


def test_exposure_near_its_threshold(order: Order) -> None:
    assert order("beginner", "buy", "0.5") == 200
    change_policy(reason="A test", changes={"global_exposure_threshold": 36_000})
    evaluate_rules()
    assert opened() == {("exposure_share", "warning")}
    change_policy(reason="A test", changes={"global_exposure_threshold": 33_000})
    evaluate_rules()
    assert opened() == {("exposure_share", "warning"), ("exposure_share", "critical")}


def test_refused_credentials_of_the_window(anonymous: ApiClient) -> None:
    with time_machine.travel(NOON, tick=False):
        take_snapshot()
    change_rule(
        reason="A test",
        rule_id=AlertRule.objects.get(kind="auth_failures").pk,
        changes={"threshold": 19},
    )
    for _ in range(20):
        anonymous.get("/positions")
    with time_machine.travel(NOON + timedelta(minutes=1), tick=False):
        take_snapshot()
        evaluate_rules()
        assert opened() == {("auth_failures", "warning"), ("error_rate", "warning")}
    with time_machine.travel(NOON + timedelta(minutes=7), tick=False):
        take_snapshot()
    with time_machine.travel(NOON + timedelta(minutes=8), tick=False):
        evaluate_rules()
        assert opened() == set()


def test_what_happened_while_the_worker_was_away_opens_no_alert(anonymous: ApiClient) -> None:
    with time_machine.travel(NOON, tick=False):
        take_snapshot()
    for _ in range(60):
        anonymous.get("/positions")
    with time_machine.travel(NOON + timedelta(hours=1), tick=False) as clock:
        evaluate_rules()
        assert opened() == set()
        take_snapshot()
        evaluate_rules()
        assert opened() == set()
        clock.shift(timedelta(seconds=15))
        for _ in range(60):
            anonymous.get("/positions")
        take_snapshot()
        evaluate_rules()
    assert opened() == {("auth_failures", "warning"), ("error_rate", "warning")}


def test_one_look_at_the_rules_reads_the_counters_once(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_snapshot()
    reads = []
    collect = REGISTRY.collect
    monkeypatch.setattr(REGISTRY, "collect", lambda: reads.append(1) or collect())
    evaluate_rules()
    assert len(reads) == 1


def test_prices_that_stand_still_unasked_and_a_worker_that_was_away(
    order: Order, settings: Any
) -> None:
    record_heartbeat()
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=90), tick=False):
        record_heartbeat()
        evaluate_rules()
        assert opened() == {("mark_age", "critical"), ("heartbeat_gap", "warning")}
        settings.TICK_INTERVAL_SECONDS = 0
        evaluate_rules()
    assert opened() == {("heartbeat_gap", "warning")}


def test_a_ledger_that_differs(order: Order, anonymous: ApiClient) -> None:
    check_ledger()
    evaluate_rules()
    assert opened() == set()
    GlobalExposure.objects.update(total=1)
    check_ledger()
    evaluate_rules()
    assert opened() == {("ledger_differences", "critical")}
    check = LedgerCheck.objects.latest("checked_at")
    assert check.details[0]["stored"] == "1.00000000"
    metrics = scrape(anonymous)
    assert metrics["ledger_differences", ()] == check.differences == 1
    ledger = (("rule", "ledger_differences"), ("severity", "critical"))
    assert metrics["open_alerts", ledger] == 1
    assert metrics["open_alerts", (("rule", "mark_age"), ("severity", "critical"))] == 0


def quoted(symbol: str, price: str) -> None:
    """Run one market step with a quote of a price source."""

    def quotes(instruments: Sequence[Instrument], step: int) -> dict[int, Quote]:
        return {one.pk: Quote(Decimal(price), PriceOrigin.SIMULATION) for one in instruments}

    run_market_step(symbol=symbol, quote_source=quotes)


def halts() -> list[tuple[str, float, bool]]:
    alerts = Alert.objects.filter(rule__kind="price_halts").order_by("id")
    return [(alert.subject.split()[0], alert.value, alert.resolved_at is None) for alert in alerts]


def test_each_refused_quote_raises_one_alert(demo: None) -> None:
    quoted("BTCUSDT", "6500")
    for _ in range(2):
        quoted("BTCUSDT", "6400")
        evaluate_rules()
    assert halts() == [("BTCUSDT", 0.9, True)]
    quoted("ETHUSDT", "6400")
    evaluate_rules()
    assert halts() == [("BTCUSDT", 0.9, True), ("ETHUSDT", 1.0, True)]
    resume_instrument(reason="A test", instrument=Instrument.objects.get(symbol="BTCUSDT"))
    evaluate_rules()
    assert halts() == [("BTCUSDT", 0.9, False), ("ETHUSDT", 1.0, True)]


def test_a_halt_that_nobody_saw_is_alerted_all_the_same(demo: None, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:9/"
    for _ in range(2):
        quoted("BTCUSDT", "6500")
        resume_instrument(reason="A test", instrument=Instrument.objects.get(symbol="BTCUSDT"))
    evaluate_rules()
    evaluate_rules()
    assert halts() == [("BTCUSDT", 0.9, False), ("BTCUSDT", 0.9, False)]
    told = [(sent.event, sent.body["subject"]) for sent in AlertDelivery.objects.order_by("id")]
    assert [event for event, _ in told] == ["opened", "opened", "resolved", "resolved"]
    assert len({subject for _, subject in told}) == 2


def test_a_rule_of_halts_that_is_switched_off_raises_none(demo: None) -> None:
    rule = AlertRule.objects.get(kind="price_halts")
    quoted("BTCUSDT", "6500")
    evaluate_rules()
    change_rule(reason="A test", rule_id=rule.pk, changes={"enabled": False})
    evaluate_rules()
    assert halts() == [("BTCUSDT", 0.9, False)]


def test_a_rule_that_measures_another_figure_leaves_no_alert_of_a_halt(demo: None) -> None:
    rule = AlertRule.objects.get(kind="price_halts")
    quoted("BTCUSDT", "6500")
    evaluate_rules()
    assert Alert.objects.filter(rule=rule, resolved_at=None).exists()
    change_rule(reason="A test", rule_id=rule.pk, changes={"kind": "latency_p95"})
    evaluate_rules()
    assert not Alert.objects.filter(rule=rule, resolved_at=None).exists()
