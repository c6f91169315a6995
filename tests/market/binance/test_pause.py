"""Pauses that the venue asks for are kept without touching the network."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from market.binance.client import BinanceClient
from market.binance.errors import VenueRateLimited
from market.binance.pause import Pause
from tests.system.binance_standin.clients import ClientOf
from tests.system.binance_standin.faults import Answer
from tests.system.binance_standin.manual_clock import ManualClock
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

PRICES = "/api/v3/ticker/price"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def client(binance_client_of: ClientOf, clock: ManualClock) -> BinanceClient:
    return binance_client_of(monotonic=clock)


def place(client: BinanceClient, number: int) -> Any:
    return client.place_order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        quantity=Decimal("0.1"),
        price=Decimal(60000),
        client_order_id=f"ours-{number}",
    )


def limited(call: Any) -> VenueRateLimited:
    with pytest.raises(VenueRateLimited) as caught:
        call()
    return caught.value


def test_retry_after_is_kept(
    binance_standin: BinanceStandin, client: BinanceClient, clock: ManualClock
) -> None:
    binance_standin.limit_weight(4)
    client.ticker_prices(["BTCUSDT"])
    refusal = limited(client.server_time)
    assert (refusal.http_status, refusal.venue_code) == (429, -1003)
    assert refusal.retry_after == 60
    assert refusal.headers == {"Retry-After": "60"}
    arrived = len(binance_standin.seen)
    for call in (client.server_time, client.ticker_prices, lambda: place(client, 1)):
        held_back = limited(call)
        assert (held_back.http_status, held_back.retry_after) == (None, 60)
    clock.advance(59.5)
    assert limited(client.server_time).retry_after == 1
    assert len(binance_standin.seen) == arrived
    clock.advance(0.5)
    binance_standin.skew(60)
    assert client.server_time()


def test_a_ban_is_kept(
    binance_standin: BinanceStandin, client: BinanceClient, clock: ManualClock
) -> None:
    binance_standin.limit_weight(0)
    for _ in range(3):
        limited(client.server_time)
        clock.advance(60)
    ban = limited(client.server_time)
    assert (ban.http_status, ban.retry_after) == (418, 120)
    clock.advance(119)
    assert limited(client.server_time).http_status is None
    clock.advance(1)
    binance_standin.skew(120)
    binance_standin.limit_weight(6000)
    assert client.server_time()


@pytest.mark.parametrize("header", [(), (("Retry-After", "soon"),)])
def test_a_pause_of_unknown_length(
    header: Any, binance_standin: BinanceStandin, client: BinanceClient, clock: ManualClock
) -> None:
    binance_standin.fail_next(Answer(429, "Slow down", header), method="GET", path=PRICES)
    assert limited(client.ticker_prices).retry_after == 60
    clock.advance(59)
    assert limited(client.ticker_prices).http_status is None
    clock.advance(1)
    assert client.ticker_prices()


def test_too_many_orders_hold_up_orders_alone(
    binance_standin: BinanceStandin, client: BinanceClient, clock: ManualClock
) -> None:
    binance_standin.limit_orders(2)
    place(client, 1)
    place(client, 2)
    refusal = limited(lambda: place(client, 3))
    assert (refusal.http_status, refusal.venue_code, refusal.retry_after) == (429, -1015, 10)
    assert limited(lambda: place(client, 3)).http_status is None
    assert binance_standin.count("POST") == 3
    client.cancel_order(symbol="BTCUSDT", client_order_id="ours-1")
    clock.advance(10)
    binance_standin.skew(10)
    assert place(client, 3).status == "NEW"


def test_filled_orders_do_not_count(binance_standin: BinanceStandin, client: BinanceClient) -> None:
    binance_standin.limit_orders(1)
    for number in range(3):
        assert place(client, number).status == "NEW"
        binance_standin.fill(f"ours-{number}", "60000", "0.1")


def test_a_pause_holds_for_all_threads(
    binance_standin: BinanceStandin, client: BinanceClient
) -> None:
    binance_standin.limit_weight(0)
    limited(client.server_time)
    with ThreadPoolExecutor(8) as threads:
        refusals = list(threads.map(lambda _: limited(client.server_time), range(40)))
    assert {refusal.http_status for refusal in refusals} == {None}
    assert len(binance_standin.seen) == 1


def test_threads_share_a_client(binance_standin: BinanceStandin, client: BinanceClient) -> None:
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda number: place(client, number), range(40)))
    assert {order.client_order_id for order in placed} == {f"ours-{n}" for n in range(40)}
    assert len({order.order_id for order in placed}) == 40


def test_a_shorter_pause_cuts_no_longer_one(clock: ManualClock) -> None:
    pause = Pause(clock)
    assert pause.remaining() == 0
    pause.extend(120)
    pause.extend(60)
    assert pause.remaining() == 120
    clock.advance(200)
    assert pause.remaining() == 0
