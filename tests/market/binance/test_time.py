"""Timestamps follow the venue's clock, measured once and again when the venue objects."""

import time
from decimal import Decimal
from typing import Any

import pytest

from market.binance.client import BinanceClient
from market.binance.errors import InvalidTimestamp, VenueUnavailable
from tests.system.binance_standin.clients import ClientOf
from tests.system.binance_standin.faults import Answer, Fault, Lie
from tests.system.binance_standin.manual_clock import ManualClock
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

TIME = "/api/v3/time"
LATE = Answer(
    400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
)


def buy(
    client: BinanceClient, client_order_id: str = "ours-1", *, deadline: float | None = None
) -> Any:
    return client.place_order(
        symbol="BTCUSDT",
        side="BUY",
        type="MARKET",
        quantity=Decimal("0.1"),
        client_order_id=client_order_id,
        deadline=deadline,
    )


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_local_clock_may_be_wrong(
    hours: int, binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client = binance_client_of(wall_clock=lambda: time.time() + hours * 3600)
    assert buy(client, "a").status == buy(client, "b").status == "FILLED"
    assert binance_standin.count("GET", TIME) == 1
    assert binance_standin.count("POST") == 2


@pytest.mark.parametrize("seconds", [-8, 8])
def test_a_clock_that_moves_is_measured_anew(
    seconds: int, binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    buy(binance_client, "a")
    binance_standin.skew(seconds)
    assert buy(binance_client, "b").status == "FILLED"
    assert binance_standin.count("GET", TIME) == 2
    assert binance_standin.count("POST") == 3
    buy(binance_client, "c")
    assert binance_standin.count("POST") == 4


def test_one_retry_and_no_more(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    for _ in range(3):
        binance_standin.fail_next(LATE)
    with pytest.raises(InvalidTimestamp):
        buy(binance_client)
    assert binance_standin.count("POST") == 2
    assert binance_standin.orders == []


def test_without_the_time_nothing_is_placed(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_standin.fail_next(Fault.DROP_AFTER, method="GET", path=TIME)
    with pytest.raises(VenueUnavailable):
        buy(binance_client)
    assert binance_standin.count("POST") == 0
    buy(binance_client)


def test_the_window_is_sent(binance_standin: BinanceStandin, binance_client_of: ClientOf) -> None:
    buy(binance_client_of(recv_window=1234))
    assert binance_standin.seen[-1].parameters["recvWindow"] == "1234"


def test_after_its_deadline_nothing_is_sent_for_an_order(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    with pytest.raises(VenueUnavailable):
        buy(binance_client, deadline=binance_client.deadline_in(0))
    assert binance_standin.seen == []


def passing(clock: ManualClock, seconds: float) -> Lie:
    """The true answer, after which so much time has passed."""

    def tell(body: Any) -> Any:
        clock.advance(seconds)
        return body

    return Lie(tell)


def test_the_deadline_may_pass_while_the_time_is_asked_for(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    clock = ManualClock()
    client = binance_client_of(monotonic=clock)
    binance_standin.fail_next(passing(clock, 68), method="GET", path=TIME)
    with pytest.raises(VenueUnavailable):
        buy(client, deadline=client.deadline_in(20))
    assert binance_standin.count("POST") == 0
    buy(client, deadline=client.deadline_in(20))


def test_the_deadline_holds_for_the_repetition_too(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    clock = ManualClock()
    client = binance_client_of(monotonic=clock)
    buy(client, "a")
    binance_standin.skew(8)
    binance_standin.fail_next(passing(clock, 21), method="GET", path=TIME)
    with pytest.raises(VenueUnavailable):
        buy(client, "b", deadline=client.deadline_in(20))
    assert binance_standin.count("POST") == 2
    assert len(binance_standin.orders) == 1
