"""What beat sends when, and to which worker."""

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery import Celery
from pytest_django import Settings

from exchange_poc.celery import app, schedule_beat
from exchange_poc.schedules import AtOffset

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SLOW = {
    *("kpi.tasks.check_ledger", "kpi.tasks.check_audit", "kpi.tasks.forget_old"),
    *("kpi.tasks.deliver_alert", "kpi.tasks.deliver_due_alerts", "kpi.tasks.forget_events"),
    "kpi.tasks.count_tiers",
}


def runs(schedule: AtOffset, *, start: datetime, hours: int) -> Iterator[datetime]:
    """Yield when beat would send it, looking when it was told to look."""
    with time_machine.travel(start, tick=False) as clock:
        last = now = datetime.now(UTC)
        while now < start + timedelta(hours=hours):
            is_due, left = schedule.is_due(last)
            if is_due:
                yield now
                last = now
            assert left > 0
            clock.shift(left)
            now = datetime.now(UTC)


@pytest.mark.parametrize("second", [0, 1, 449.5, 450, 899.9])
def test_checks_of_one_interval_never_fall_due_together(second: float) -> None:
    start = NOON + timedelta(seconds=second)
    ledger = list(runs(AtOffset(900, 0), start=start, hours=3))
    audit = list(runs(AtOffset(900, 450), start=start, hours=3))
    assert len(ledger) in {11, 12}
    assert len(audit) in {11, 12}
    assert min(abs(one - other) for one in ledger for other in audit) > timedelta(seconds=449)


@pytest.mark.parametrize(
    ("second", "ledger", "audit"),
    [
        (100, (True, 800), (False, 350)),
        (300, (False, 600), (False, 150)),
        (500, (False, 400), (True, 850)),
    ],
)
def test_after_an_absence_of_beat_they_are_not_due_together_either(
    second: int, ledger: tuple[bool, int], audit: tuple[bool, int]
) -> None:
    with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
        last = NOON - timedelta(hours=2)
        assert AtOffset(900, 0).is_due(last) == ledger
        assert AtOffset(900, 450).is_due(last) == audit


def test_beat_keeps_the_schedule_on_disk() -> None:
    schedule = AtOffset(900, 450)
    assert pickle.loads(pickle.dumps(schedule)) == schedule  # noqa: S301
    assert schedule != AtOffset(900, 0)


def test_the_checks_have_other_offsets() -> None:
    schedules = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
    checks = schedules["kpi.tasks.check_ledger"], schedules["kpi.tasks.check_audit"]
    assert [(check.seconds, check.offset) for check in checks] == [(900, 0), (900, 450)]


def test_tiers_are_counted_once_a_minute() -> None:
    entry = app.conf.beat_schedule["kpi.tasks.count_tiers"]
    assert (entry["schedule"], entry["options"]) == (60, {"expires": 60})


def test_bounds_are_renewed_whatever_is_turned_off(settings: Settings) -> None:
    """The accounts that traded would else pile up, and every step looks at each of them."""
    settings.SWEEP_INTERVAL_SECONDS = settings.TICK_INTERVAL_SECONDS = 0
    beat = Celery("beat")
    schedule_beat(beat)
    tasks = set(beat.conf.beat_schedule)
    assert "trading.tasks.renew_bounds" in tasks
    assert not tasks & {"trading.tasks.sweep_liquidations", "trading.tasks.run_market_step"}


def test_slow_jobs_have_a_queue_of_their_own() -> None:
    app.loader.import_default_modules()
    names = {name for name in app.tasks if not name.startswith("celery.")}
    queue = {name: app.amqp.router.route({}, name)["queue"].name for name in names}
    assert {name for name in names if queue[name] == "slow"} == SLOW
    assert {name for name in names if queue[name] == "lab"} == {"kpi.tasks.compute_lab_cell"}
    assert set(queue.values()) == {"slow", "lab", "celery"}


@pytest.mark.parametrize("name", ["kpi.tasks.check_ledger", "kpi.tasks.check_audit"])
def test_a_check_that_takes_long_is_not_given_out_again(name: str) -> None:
    app.loader.import_default_modules()
    assert not app.tasks[name].acks_late
