"""A check that is not made any more is told, as long as there was somebody to make it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from kpi.alerts.rules import evaluate_rules
from kpi.audit.checks import check_audit
from kpi.checks.ledger import check_ledger
from kpi.health.heartbeats import slot_of
from kpi.models import Alert, Heartbeat
from tests.conftest import ApiClient
from tests.kpi.test_collectors import scrape

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def live(clock: time_machine.Traveller, *, seconds: int) -> None:
    """Let the worker beat for so long."""
    now = datetime.now(UTC)
    beats = [Heartbeat(beat_at=slot_of(now + timedelta(seconds=n))) for n in range(5, seconds, 5)]
    Heartbeat.objects.bulk_create(beats, ignore_conflicts=True)
    clock.shift(timedelta(seconds=seconds))


def is_told(kind: str) -> bool:
    evaluate_rules()
    return Alert.objects.filter(rule__kind=kind, resolved_at=None).exists()


@pytest.fixture
def clock(db: None, settings: Settings) -> Iterator[time_machine.Traveller]:
    """Noon, with checks that are due every 100 seconds."""
    settings.LEDGER_CHECK_INTERVAL_SECONDS = settings.AUDIT_CHECK_INTERVAL_SECONDS = 100
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


every_check = pytest.mark.parametrize(
    ("check", "kind"), [(check_ledger, "ledger_check_age"), (check_audit, "audit_check_age")]
)
Check = Callable[[], object]


@every_check
def test_a_check_that_was_never_made(
    clock: time_machine.Traveller, anonymous: ApiClient, check: Check, kind: str
) -> None:
    live(clock, seconds=290)
    assert not is_told(kind)
    live(clock, seconds=30)
    assert is_told(kind)
    assert scrape(anonymous)[f"{kind}_intervals", ()] > 3
    check()
    assert not is_told(kind)


@every_check
def test_a_check_that_is_made_no_more(
    clock: time_machine.Traveller, check: Check, kind: str
) -> None:
    check()
    clock.shift(timedelta(hours=12))
    live(clock, seconds=200)
    assert not is_told(kind), "nobody was there to check"
    live(clock, seconds=130)
    assert is_told(kind)


@every_check
def test_a_check_that_nobody_asks_for(
    clock: time_machine.Traveller,
    anonymous: ApiClient,
    settings: Settings,
    check: Check,
    kind: str,
) -> None:
    settings.LEDGER_CHECK_INTERVAL_SECONDS = settings.AUDIT_CHECK_INTERVAL_SECONDS = 0
    live(clock, seconds=1_000)
    assert not is_told(kind)
    assert (f"{kind}_intervals", ()) not in scrape(anonymous)
