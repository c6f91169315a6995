"""KPIs over a window: the snapshots in it, and what happened since the last one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command

from accounts.models import User
from kpi.history.snapshots import take_snapshot
from tests.conftest import ApiClient, ClientOf
from tests.each import each
from tests.kpi.conftest import Order
from trading.models import Order as PlacedOrder

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


@each(("window", "trades"), [("5m", 1), ("1h", 3), ("24h", 3)])
def test_trades_of_a_window(trader: ApiClient, window: str, trades: int) -> None:
    kpis = trader.get(f"/kpi/trading?window={window}").json()
    assert kpis["total_trades"] == kpis["total_orders"] == trades
    assert (kpis["open_positions"], kpis["rejected_orders"]) == (1, 0)


def test_an_accepted_order_that_expires_is_rejected_in_no_figure(
    order: Order, client_of: ClientOf
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        take_snapshot()
        assert order("beginner", "buy", "0.1") == 200
        more = {"type": "limit", "price": "66000", "reduce_only": "true"}
        assert order("beginner", "sell", "0.1", **more) == 200
        assert order("beginner", "sell", "0.1") == 200
        assert order("beginner", "buy", "100") == 400
        call_command("set_price", "BTCUSDT", "66000", verbosity=0)
        api = client_of(User.objects.get(username="beginner"))
        for _ in range(2):
            for path in ("/kpi/trading", "/kpi/trading?window=5m"):
                kpis = api.get(path).json()
                assert (kpis["total_orders"], kpis["rejected_orders"]) == (4, 1), path
            clock.shift(timedelta(minutes=1))
            take_snapshot()
    assert PlacedOrder.objects.filter(status="EXPIRED").exclude(reject_code="").count() == 1


def test_requests_of_a_window(trader: ApiClient) -> None:
    recent = trader.get("/kpi/system?window=5m").json()
    # The last snapshot covers nine minutes and so says nothing of the last five.
    assert (recent["requests"], recent["window_seconds"]) == (1, 10)
    assert 0 < recent["latency_p50_ms"] <= recent["latency_p99_ms"]
    # The three orders, and the question above.
    whole = trader.get("/kpi/system?window=24h").json()
    assert (whole["requests"], whole["window_seconds"]) == (4, 3610)
    assert trader.get("/kpi/security?window=5m").json()["total_requests"] == 3
    assert set(recent) == set(trader.get("/kpi/system").json())


def test_before_the_first_snapshot_a_window_is_empty(api: ApiClient) -> None:
    kpis = api.get("/kpi/system?window=5m").json()
    assert (kpis["requests"], kpis["window_seconds"], kpis["latency_p95_ms"]) == (0, 0, 0)


@each("name", ["system", "trading", "security"])
def test_an_unknown_window_gets_the_list(api: ApiClient, name: str) -> None:
    answer = api.get(f"/kpi/{name}?window=2m")
    assert answer.status_code == 400
    assert "5m, 1h, 24h" in answer.json()["errors"]["window"][0]
