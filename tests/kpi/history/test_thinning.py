"""Old snapshots become fewer, and their counts still add up."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db.models import Sum
from django.utils import timezone

from kpi.history.thinning import thin_snapshots
from kpi.models import InstrumentSnapshot, KpiSnapshot
from kpi.requests.metrics import LATENCY_BOUNDS
from market.models import Instrument

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEVELS: dict[str, Any] = {
    **dict.fromkeys(("global_exposure", "global_exposure_threshold", "insurance_fund"), 0),
    **dict.fromkeys(("bad_debt", "open_positions", "uptime"), 0),
}


def store(start: datetime, count: int) -> None:
    """Store snapshots every 15 seconds, each of one request and one refused order."""
    rows = [
        KpiSnapshot(
            slot=start + n * timedelta(seconds=15),
            seconds=15,
            requests=1,
            latency_counts=[1] * len(LATENCY_BOUNDS),
            orders_rejected=1,
            rejections={"stale_price" if n % 2 else "invalid_size": 1},
            **LEVELS,
        )
        for n in range(count)
    ]
    KpiSnapshot.objects.bulk_create(rows)


@pytest.fixture(autouse=True)
def at_noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def test_after_a_day_a_minute_has_one_snapshot_with_all_its_counts(db: None) -> None:
    store(NOON - timedelta(hours=25), 8)
    assert thin_snapshots() == 6
    first, second = KpiSnapshot.objects.order_by("slot")
    assert first.slot == NOON - timedelta(hours=25) + timedelta(seconds=45)
    assert (first.seconds, first.requests, first.latency_counts[0]) == (60, 4, 4)
    assert first.rejections == {"invalid_size": 2, "stale_price": 2}
    assert second.requests == 4
    assert thin_snapshots() == 0


def test_the_last_day_stays_as_it_is(db: None) -> None:
    store(NOON - timedelta(hours=23), 8)
    assert thin_snapshots() == 0


def test_a_run_is_bounded_and_the_next_goes_on(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kpi.history.thinning.CHUNK", 10)
    store(NOON - timedelta(days=2), 40)
    while thin_snapshots():
        pass
    assert KpiSnapshot.objects.count() == 10
    assert KpiSnapshot.objects.aggregate(total=Sum("requests"))["total"] == 40


def test_after_a_month_snapshots_go_with_their_instruments(db: None) -> None:
    store(NOON - timedelta(days=31), 2)
    instrument = Instrument.objects.create(symbol="BTCUSDT", tick_size="0.1", lot_size="0.001")
    amounts = dict.fromkeys(("open_interest_long", "open_interest_short", "order_notional"), 0)
    for snapshot in KpiSnapshot.objects.all():
        InstrumentSnapshot.objects.create(
            snapshot=snapshot, instrument=instrument, mark_price=1, **amounts
        )
    assert thin_snapshots(before=timezone.now() - timedelta(days=30)) == 2
    assert not InstrumentSnapshot.objects.exists()
