"""The KPI history: one snapshot for each slot, whose counts add up to what happened."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from kpi.history.snapshots import slot_of, take_snapshot
from kpi.models import KpiReading, KpiSnapshot
from tests.conftest import ApiClient
from tests.kpi.conftest import Order

Clock = time_machine.Traveller

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SLOT = timedelta(seconds=15)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def next_snapshot(clock: Clock, after: timedelta = SLOT) -> KpiSnapshot:
    clock.shift(after)
    snapshot = take_snapshot()
    assert snapshot is not None
    return snapshot


def test_a_slot_has_one_snapshot(db: None, clock: Clock) -> None:
    assert take_snapshot() is not None
    clock.shift(14.9)
    assert take_snapshot() is None
    assert next_snapshot(clock).slot == NOON + SLOT
    assert KpiSnapshot.objects.count() == 2


def test_the_first_snapshot_counts_nothing(db: None, clock: Clock) -> None:
    snapshot = take_snapshot()
    assert snapshot is not None
    assert (snapshot.seconds, snapshot.requests, snapshot.trades) == (0, 0, 0)


def test_counts_cover_the_time_since_the_last_snapshot(
    order: Order, anonymous: ApiClient, clock: Clock
) -> None:
    take_snapshot()
    assert order("beginner", "buy", "0.5") == 200
    assert order("beginner", "buy", "100") == 400
    anonymous.get("/orders")
    snapshot = next_snapshot(clock, timedelta(minutes=1))
    assert snapshot.seconds == 60
    assert (snapshot.requests, snapshot.errors, snapshot.auth_failures) == (3, 2, 1)
    assert (snapshot.orders_accepted, snapshot.rejections) == (1, {"insufficient_margin": 1})
    assert (snapshot.trades, snapshot.open_positions) == (1, 1)
    assert snapshot.latency_counts[-1] == 3
    [btc, _] = snapshot.instruments.order_by("instrument_id")
    assert (btc.open_interest_long, snapshot.global_exposure) == (32_500, 32_500)
    assert next_snapshot(clock).requests == 0


def test_slots_begin_at_multiples_of_the_interval() -> None:
    assert slot_of(NOON + timedelta(seconds=29)) == NOON + SLOT


def test_counters_that_start_anew_make_no_negative_count(api: ApiClient, clock: Clock) -> None:
    take_snapshot()
    reading = KpiReading.objects.get()
    [source] = reading.counters
    reading.counters[source]["requests"] += 1_000_000
    reading.save()
    api.get("/positions")
    assert next_snapshot(clock).requests >= 1


def test_an_interval_of_zero_means_never(db: None, settings: Settings) -> None:
    settings.KPI_SNAPSHOT_INTERVAL_SECONDS = 0
    assert take_snapshot() is None
    assert not KpiSnapshot.objects.exists()
