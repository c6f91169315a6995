"""Heartbeats prove that the worker lives, once per interval, and missing ones are downtime."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from time_machine import Traveller

from kpi.health.heartbeats import heartbeat_age, is_worker_alive, slot_of, uptime
from kpi.models import Heartbeat
from kpi.tasks import beat_heart

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
BEAT = timedelta(seconds=5)


@pytest.fixture
def clock(db: None) -> Iterator[Traveller]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def beat_at(clock: Traveller, *moments: timedelta) -> None:
    for moment in moments:
        clock.move_to(NOON + moment)
        beat_heart()


def test_a_beat_is_aligned_to_its_interval() -> None:
    assert slot_of(NOON + timedelta(seconds=4.999)) == NOON
    assert slot_of(NOON + timedelta(seconds=5)) == NOON + BEAT


def test_a_beat_delivered_twice_counts_once(clock: Traveller) -> None:
    beat_at(clock, timedelta(0), timedelta(seconds=4.9), timedelta(seconds=4.9))
    assert list(Heartbeat.objects.values_list("beat_at", flat=True)) == [NOON]


def test_before_the_first_beat_there_is_no_uptime_and_no_worker(clock: Traveller) -> None:
    assert uptime() == 0
    assert heartbeat_age() is None
    assert not is_worker_alive()


def test_the_first_beat_is_full_uptime(clock: Traveller) -> None:
    beat_at(clock, timedelta(0))
    assert uptime() == 1


def test_missing_beats_are_downtime(clock: Traveller) -> None:
    beat_at(clock, *(BEAT * slot for slot in range(20) if slot not in {3, 4, 10, 11, 12}))
    clock.move_to(NOON + BEAT * 20)
    assert uptime() == pytest.approx(15 / 20)


def test_a_beat_that_is_not_due_yet_is_not_missing(clock: Traveller) -> None:
    beat_at(clock, BEAT * 0, BEAT * 1)
    clock.move_to(NOON + BEAT * 2 + BEAT / 2)
    assert uptime() == 1


def test_uptime_looks_back_a_day(clock: Traveller) -> None:
    day = timedelta(days=1)
    beat_at(clock, timedelta(0))
    clock.move_to(NOON + 2 * day)
    assert uptime() == 0
    half = [Heartbeat(beat_at=NOON + 2 * day - BEAT * slot) for slot in range(1, 8641)]
    Heartbeat.objects.bulk_create(half)
    assert uptime() == pytest.approx(8640 / 17280)


def test_the_worker_is_alive_for_three_beats(clock: Traveller) -> None:
    beat_at(clock, timedelta(0))
    clock.move_to(NOON + BEAT * 3 - timedelta(milliseconds=1))
    assert is_worker_alive()
    assert heartbeat_age() == BEAT * 3 - timedelta(milliseconds=1)
    clock.move_to(NOON + BEAT * 3)
    assert not is_worker_alive()
