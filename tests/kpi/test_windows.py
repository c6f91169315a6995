"""KPIs over a window: the snapshots in it, and what happened since the last one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from accounts.models import User
from kpi.snapshots import take_snapshot
from tests.conftest import ApiClient, ClientOf
from tests.kpi.conftest import Order

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def trader(order: Order, client_of: ClientOf) -> Iterator[ApiClient]:
    """Whoever traded an hour ago, ten minutes ago, and five seconds ago, after the snapshots."""
    for minutes, trades in ((-60, True), (-59, False), (-10, True), (-9, False), (0, True)):
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False) as clock:
            take_snapshot()
            clock.shift(5)
            assert not trades or order("beginner", "buy", "0.01") == 200
    with time_machine.travel(NOON + timedelta(seconds=10), tick=False):
        yield client_of(User.objects.get(username="beginner"))


@pytest.mark.parametrize(("window", "trades"), [("5m", 1), ("1h", 3), ("24h", 3)])
def test_trades_of_a_window(trader: ApiClient, window: str, trades: int) -> None:
    kpis = trader.get(f"/kpi/trading?window={window}").json()
    assert kpis["total_trades"] == kpis["total_orders"] == trades
    assert (kpis["open_positions"], kpis["rejected_orders"]) == (1, 0)


def test_requests_of_a_window(trader: ApiClient) -> None:
    recent = trader.get("/kpi/system?window=5m").json()
    assert (recent["requests"], recent["window_seconds"]) == (1, 550)
    assert 0 < recent["latency_p50_ms"] <= recent["latency_p99_ms"]
    # The three orders, and the question above.
    whole = trader.get("/kpi/system?window=24h").json()
    assert (whole["requests"], whole["window_seconds"]) == (4, 3610)
    assert trader.get("/kpi/security?window=5m").json()["total_requests"] == 3
    assert set(recent) == set(trader.get("/kpi/system").json())


def test_before_the_first_snapshot_a_window_is_empty(api: ApiClient) -> None:
    kpis = api.get("/kpi/system?window=5m").json()
    assert (kpis["requests"], kpis["window_seconds"], kpis["latency_p95_ms"]) == (0, 0, 0)


@pytest.mark.parametrize("name", ["system", "trading", "security"])
def test_an_unknown_window_gets_the_list(api: ApiClient, name: str) -> None:
    answer = api.get(f"/kpi/{name}?window=2m")
    assert answer.status_code == 400
    assert "5m, 1h, 24h" in answer.json()["errors"]["window"][0]
