"""The KPI history as series: buckets of snapshots, for charts."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import time_machine

from kpi.history import INSTRUMENT_METRICS, METRICS, WINDOWS, get_history
from kpi.snapshots import take_snapshot
from tests.kpi.conftest import Order

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def history(order: Order) -> None:
    """Snapshots of one minute, in the middle of which somebody bought."""
    for second in (0, 15, 30, 45, 60):
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            take_snapshot()
            if second == 30:
                assert order("beginner", "buy", "0.5") == 200


def test_every_metric_has_points_in_every_window(history: None) -> None:
    with time_machine.travel(NOON + timedelta(seconds=61), tick=False):
        for metric, window in product([*METRICS, *INSTRUMENT_METRICS], WINDOWS):
            found = get_history(metric=metric, window=window)
            points = found.series[0].points if metric in INSTRUMENT_METRICS else found.points
            assert points, (metric, window)
