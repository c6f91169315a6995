"""API6: what costs the exchange something cannot be had more often than intended."""

from datetime import UTC, datetime

import pytest
import time_machine
from pytest_django import Settings

from market.models import MarketClock
from tests.conftest import ApiClient
from tests.each import each
from trading.models import Order

ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}


FLOWS = (
    *("/orders", "/orders/batch", "/orders/cancel-all"),
    *("/positions/BTCUSDT/close", "/market/tick"),
)


@each("path", FLOWS)
def test_every_flow_counts_towards_the_keys_limit(
    intruder: ApiClient, settings: Settings, path: str
) -> None:
    settings.API_RATE_LIMIT = "3/m"
    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [intruder.post(path, {}).status_code for _ in range(5)]
    assert statuses[3:] == [429, 429]
    assert 429 not in statuses[:3]


def test_a_refused_call_changes_nothing(intruder: ApiClient, settings: Settings) -> None:
    settings.API_RATE_LIMIT = "1/m"
    with time_machine.travel(datetime.now(UTC), tick=False):
        assert intruder.post("/orders", ORDER).status_code == 200
        assert intruder.post("/orders", ORDER).status_code == 429
        assert intruder.post("/orders/batch", {"orders": [ORDER] * 50}).status_code == 429
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_market_is_not_stepped_faster_than_intended(
    intruder: ApiClient, settings: Settings
) -> None:
    settings.TICK_MIN_INTERVAL_SECONDS = 3600
    before = MarketClock.objects.get().steps
    answers = [intruder.post("/market/tick").json()["refreshed"] for _ in range(5)]
    assert (answers, MarketClock.objects.get().steps) == ([False] * 5, before)


def test_a_repeated_order_is_placed_once(intruder: ApiClient) -> None:
    order = {**ORDER, "client_order_id": "once"}
    for _ in range(3):
        assert intruder.post("/orders", order).status_code == 200
    results = intruder.post("/orders/batch", {"orders": [order] * 3}).json()["results"]
    assert [r["idempotent_replayed"] for r in results] == [True] * 3
    assert Order.objects.count() == 1
