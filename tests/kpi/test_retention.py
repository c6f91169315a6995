"""What grows without end is forgotten by its age, a bounded part at a time; the rest stays."""

from datetime import timedelta
from io import StringIO
from itertools import count

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from kpi import retention
from kpi.alerts.rules import apply_rule
from kpi.audit.models import AuditCheck
from kpi.models import Alert, AlertDelivery, AlertRule, Forgotten, Heartbeat, LedgerCheck
from kpi.retention import RETENTIONS, SNAPSHOTS, forget_old
from market.models import Instrument, PriceTick
from market.services import list_instrument
from tests.console import D
from tests.each import each
from tests.market.conftest import mark


@pytest.fixture
def past(db: None, settings: Settings) -> None:
    """A row of each kind a day too old, and one a day too young; a session that has expired."""
    settings.ALERT_WEBHOOK_URL = "https://alerts.example.org/hook"
    now = timezone.now()
    btc = list_instrument(
        reason="A test", symbol="BTCUSDT", base_asset="BTC", tick_size=D(1), lot_size=D(1)
    )
    rules = AlertRule.objects.order_by("id")[:2]
    for rule, days in zip(rules, (-1, 1), strict=True):
        then = now - timedelta(days=days)
        mark(btc, "100", then - timedelta(days=30))
        Heartbeat.objects.create(beat_at=then - timedelta(days=7))
        LedgerCheck.objects.create(checked_at=then - timedelta(days=365), seconds=1, differences=0)
        AuditCheck.objects.create(
            checked_at=then - timedelta(days=365), seconds=1, records=0, hash="", differences=0
        )
        apply_rule(rule_id=rule.pk, value=1e9)
        AlertDelivery.objects.filter(alert__rule=rule).update(
            status="delivered", next_attempt_at=then - timedelta(days=90)
        )
        Session.objects.create(session_key=str(days), expire_date=then)


def test_each_is_forgotten_by_its_age(past: None) -> None:
    assert forget_old() == {
        **dict.fromkeys((one.table for one in RETENTIONS), 1),
        "django_session": 1,
    }
    assert PriceTick.objects.get().created_at > timezone.now() - timedelta(days=30)
    assert Heartbeat.objects.get().beat_at > timezone.now() - timedelta(days=7)
    assert Session.objects.get().session_key == "-1"
    assert Alert.objects.count() == 2
    assert forget_old() == {}


def test_nothing_goes_that_is_not_noted(past: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a run takes: here each look at the clock is a day after the one before."""
    looks = count()
    began = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: began + timedelta(days=next(looks)))
    forget_old()
    assert {one.table: one.until for one in Forgotten.objects.exclude(table__in=SNAPSHOTS)} == {
        one.table: began - timedelta(days=one.days) for one in RETENTIONS
    }
    assert PriceTick.objects.get().created_at > began - timedelta(days=30)
    assert [model.objects.count() for model in (Heartbeat, LedgerCheck, AuditCheck)] == [1, 1, 1]


def test_no_age_means_for_good(past: None, settings: Settings) -> None:
    for one in RETENTIONS:
        setattr(settings, one.setting, 0)
    assert forget_old() == {"django_session": 1}


def test_a_message_that_has_not_arrived_is_kept(past: None) -> None:
    AlertDelivery.objects.update(status="pending")
    forget_old()
    assert AlertDelivery.objects.count() == 2


def test_at_the_deadline_the_rest_is_left_for_the_next_run(
    past: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LONGEST_RUN", 0)
    assert forget_old() == {}
    assert Instrument.objects.get().ticks.count() == 2


def test_the_command_says_how_many_ticks_it_deleted(past: None) -> None:
    output = StringIO()
    call_command("prune_ticks", "--older-than-days", "29.5", stdout=output)
    assert output.getvalue() == "Deleted 1 tick(s).\n"
    assert PriceTick.objects.get().created_at > timezone.now() - timedelta(days=30)


@each("days", ["-1", "nan", "1e9", "some"])
def test_the_command_refuses_an_age_that_is_none(db: None, days: str) -> None:
    with pytest.raises(CommandError, match="--older-than-days"):
        call_command("prune_ticks", "--older-than-days", days)
