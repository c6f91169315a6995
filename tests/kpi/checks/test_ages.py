"""A check that is not made any more is told, as long as there was somebody to make it."""

from collections.abc import Iterator
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
CHECKS = {"ledger_check_age": check_ledger, "audit_check_age": check_audit}


def live(clock: time_machine.Traveller, *, seconds: int) -> None:
    """Let the worker beat for so long."""
    now = datetime.now(UTC)
    beats = [Heartbeat(beat_at=slot_of(now + timedelta(seconds=n))) for n in range(5, seconds, 5)]
    Heartbeat.objects.bulk_create(beats, ignore_conflicts=True)
    clock.shift(timedelta(seconds=seconds))


def told() -> set[str]:
    """Return the checks of whose age there is an alert."""
    evaluate_rules()
    kinds = Alert.objects.filter(resolved_at=None).values_list("rule__kind", flat=True)
    return CHECKS.keys() & {*kinds}


@pytest.fixture
def clock(db: None, settings: Settings) -> Iterator[time_machine.Traveller]:
    """Noon, with checks that are due every 100 seconds."""
    settings.LEDGER_CHECK_INTERVAL_SECONDS = settings.AUDIT_CHECK_INTERVAL_SECONDS = 100
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def test_a_check_that_was_never_made(clock: time_machine.Traveller, anonymous: ApiClient) -> None:
    live(clock, seconds=290)
    assert told() == set()
    live(clock, seconds=30)
    assert told() == {*CHECKS}
    figures = scrape(anonymous)
    assert all(figures[f"{kind}_intervals", ()] > 3 for kind in CHECKS)
    check_ledger()
    assert told() == {"audit_check_age"}
    check_audit()
    assert told() == set()


def test_a_check_that_is_made_no_more(clock: time_machine.Traveller) -> None:
    for check in CHECKS.values():
        check()
    clock.shift(timedelta(hours=12))
    live(clock, seconds=200)
    assert told() == set(), "nobody was there to check"
    live(clock, seconds=130)
    assert told() == {*CHECKS}


def test_a_check_that_nobody_asks_for(
    clock: time_machine.Traveller, anonymous: ApiClient, settings: Settings
) -> None:
    settings.LEDGER_CHECK_INTERVAL_SECONDS = settings.AUDIT_CHECK_INTERVAL_SECONDS = 0
    live(clock, seconds=1_000)
    assert told() == set()
    figures = scrape(anonymous)
    assert not [kind for kind in CHECKS if (f"{kind}_intervals", ()) in figures]
