"""What the client concludes when no clear answer comes back, and what it never tells."""

import logging
import socket
import traceback
from decimal import Decimal
from typing import Any

import pytest

from market.binance.client import BinanceClient
from market.binance.errors import (
    NoSuchOrder,
    OrderFateUnknown,
    VenueError,
    VenueRateLimited,
    VenueRejected,
    VenueUnavailable,
)
from market.binance.transport import LARGEST_ANSWER, LONGEST_PAUSE
from tests.system.binance_standin.clients import ClientOf
from tests.system.binance_standin.faults import Answer, AnyFault, Fault
from tests.system.binance_standin.server import BinanceStandin
from tests.waiting import wait_for

pytest_plugins = ["tests.system.binance_standin.fixtures"]
pytestmark = pytest.mark.usefixtures("collector_at_rest")

OURS = {"symbol": "BTCUSDT", "client_order_id": "ours-1"}
BUY: dict[str, Any] = {
    **OURS,
    "side": "BUY",
    "type": "LIMIT",
    "quantity": Decimal("0.1"),
    "price": Decimal(60000),
}
UNCLEAR = [
    Fault.DROP_BEFORE,
    Fault.DROP_AFTER,
    Fault.HOLD_BEFORE,
    Fault.HOLD_AFTER,
    Fault.UNAVAILABLE_BEFORE,
    Fault.UNAVAILABLE_AFTER,
    Answer(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
    Answer(400, {"code": -1006, "msg": "An unexpected response was received."}),
    Answer(400, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    Answer(408, "<html>Request Timeout</html>"),
    Answer(302, "", (("Location", "http://127.0.0.1:9/"),)),
    Answer(200, "<html>"),
    Answer(200, {"orderId": float("inf")}),
    Answer(200, {"symbol": "BTCUSDT"}),
    Fault.DRIP_HEAD,
    Fault.DRIP_BODY,
    Answer(200, "[" * 100_000),
    Answer(200, "[" + " " * LARGEST_ANSWER + "]"),
]
REACHED = (
    Fault.DROP_AFTER,
    Fault.HOLD_AFTER,
    Fault.UNAVAILABLE_AFTER,
    Fault.DRIP_HEAD,
    Fault.DRIP_BODY,
)


#: What only a client that soon gives up comes to an end with.
HELD = (Fault.HOLD_BEFORE, Fault.HOLD_AFTER, Fault.DRIP_HEAD, Fault.DRIP_BODY)


def client_for(fault: AnyFault, client_of: ClientOf) -> BinanceClient:
    """Return a client that gives up no sooner than the fault asks for, and knows the venue's time.

    On a busy machine any answer may take longer than an impatient client waits.
    """
    if fault not in HELD:
        return client_of()
    client = client_of(read_timeout=0.15)
    wait_for(lambda: knows_the_time(client), what="the venue's time")
    return client


def knows_the_time(client: BinanceClient) -> bool:
    """Ask for an order that is not there; a client measures the time before it first signs."""
    try:
        client.get_order(symbol="BTCUSDT", client_order_id="nobody-s")
    except NoSuchOrder:
        return True
    except VenueUnavailable:
        return False
    raise AssertionError("there is such an order")


def name_of(fault: AnyFault) -> str:
    return f"{fault.status} {str(fault.body)[:20]}" if isinstance(fault, Answer) else str(fault)


@pytest.mark.parametrize("fault", UNCLEAR, ids=name_of)
def test_fate_of_a_placement_is_unknown(
    fault: AnyFault, binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client, patient = client_for(fault, binance_client_of), binance_client_of()
    binance_standin.fail_next(fault)
    with pytest.raises(OrderFateUnknown) as caught:
        client.place_order(**BUY)
    assert caught.value.code == "order_fate_unknown"
    wait_for(lambda: binance_standin.count("POST"), what="the order")
    if fault in REACHED:
        wait_for(lambda: binance_standin.orders, what="its effect")
        assert patient.get_order(**OURS).status == "NEW"
    else:
        with pytest.raises(NoSuchOrder):
            patient.get_order(**OURS)


def test_an_order_held_up_on_its_way_may_still_arrive(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client = client_for(Fault.HOLD_BEFORE, binance_client_of)
    patient = binance_client_of()
    binance_standin.fail_next(Fault.HOLD_BEFORE)
    with pytest.raises(OrderFateUnknown):
        client.place_order(**BUY)
    with pytest.raises(NoSuchOrder):
        patient.get_order(**OURS)
    wait_for(lambda: binance_standin.count("POST"), what="the order")
    binance_standin.release()
    assert patient.get_order(**OURS).status == "NEW"


def test_an_order_held_up_for_longer_than_recv_window_never_arrives(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client = client_for(Fault.HOLD_BEFORE, binance_client_of)
    binance_standin.fail_next(Fault.HOLD_BEFORE)
    with pytest.raises(OrderFateUnknown):
        client.place_order(**BUY)
    wait_for(lambda: binance_standin.count("POST"), what="the order")
    binance_standin.skew(client.recv_window / 1000 + 1)
    binance_standin.release()
    with pytest.raises(NoSuchOrder):
        binance_client_of().get_order(**OURS)


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.UNAVAILABLE_AFTER], ids=str)
def test_fate_of_a_cancellation_is_unknown(
    fault: Fault, binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_client.place_order(**BUY)
    binance_standin.fail_next(fault, method="DELETE")
    with pytest.raises(OrderFateUnknown):
        binance_client.cancel_order(**OURS)
    assert binance_client.get_order(**OURS).status == "CANCELED"


@pytest.mark.parametrize("fault", UNCLEAR, ids=name_of)
def test_a_question_without_a_clear_answer(
    fault: AnyFault, binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client = client_for(fault, binance_client_of)
    binance_standin.fail_next(fault, method="GET", path="/api/v3/ticker/price")
    refused = isinstance(fault, Answer) and fault.status in {400, 408}
    with pytest.raises(VenueRejected if refused else VenueUnavailable):
        client.ticker_prices(["BTCUSDT"])
    assert binance_client_of().ticker_prices(["BTCUSDT"])


@pytest.mark.parametrize("told", ["9" * 5000, "99999999"])
def test_a_pause_without_end_is_cut_short(
    told: str, binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    endless = Answer(429, {"code": -1003, "msg": "Too many requests."}, (("Retry-After", told),))
    binance_standin.fail_next(endless, method="GET", path="/api/v3/time")
    with pytest.raises(VenueRateLimited) as caught:
        binance_client.server_time()
    assert caught.value.retry_after == LONGEST_PAUSE


def test_a_message_that_nobody_could_store_is_made_printable(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_standin.fail_next(Answer(400, {"code": -2010, "msg": "No\x00 \ud800\n" + "x" * 999}))
    with pytest.raises(VenueRejected) as caught:
        binance_client.place_order(**BUY)
    assert caught.value.message.isprintable()
    assert caught.value.message.startswith("No ")
    assert len(caught.value.message) <= 200


@pytest.mark.parametrize("text", ["Infinity", '"soon"', "null", "[]", "true", "-1", "1" + "0" * 30])
def test_a_time_that_is_none(
    text: str, binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    answer = Answer(200, f'{{"serverTime": {text}}}')
    binance_standin.fail_next(answer, method="GET", path="/api/v3/time")
    with pytest.raises(VenueUnavailable):
        binance_client.server_time()


@pytest.mark.parametrize(
    "price",
    ["NaN", "Infinity", "1,5", "", None, 65000.5, 65000, "1e5", "1_0", "٣", "9" * 19, " 1"],
)
def test_a_price_that_is_none(
    price: Any, binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    answer = Answer(200, [{"symbol": "BTCUSDT", "price": price}])
    binance_standin.fail_next(answer, method="GET", path="/api/v3/ticker/price")
    with pytest.raises(VenueUnavailable):
        binance_client.ticker_prices(["BTCUSDT"])


def test_a_refused_connection_placed_nothing(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_client.place_order(**BUY)
    binance_standin.stop()
    for _ in range(2):
        with pytest.raises(VenueUnavailable):
            binance_client.place_order(**{**BUY, "client_order_id": "ours-2"})
    binance_standin.start()
    assert binance_client.get_order(**OURS).status == "NEW"
    assert len(binance_standin.orders) == 1


def test_a_host_that_accepts_no_connection_placed_nothing(
    binance_standin: BinanceStandin, binance_client_of: ClientOf
) -> None:
    client = binance_client_of(connect_timeout=0.2)
    client.place_order(**BUY)
    binance_standin.stop()
    address = ("127.0.0.1", binance_standin.port)
    with (
        socket.create_server(address, backlog=0),
        socket.create_connection(address),
        pytest.raises(VenueUnavailable),
    ):
        client.place_order(**{**BUY, "client_order_id": "ours-2"})


def test_a_firewall_in_between_refuses(
    binance_standin: BinanceStandin, binance_client: BinanceClient
) -> None:
    binance_standin.fail_next(Answer(403, "<html>Forbidden</html>"))
    with pytest.raises(VenueRejected) as caught:
        binance_client.place_order(**BUY)
    assert (caught.value.venue_code, caught.value.http_status) == (None, 403)


@pytest.mark.parametrize(
    "fault", [Fault.DROP_AFTER, Fault.UNAVAILABLE_AFTER, Fault.HOLD_AFTER, Answer(403, "<html>")]
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_no_error_and_no_log_tells_a_secret(
    method: str,
    fault: AnyFault,
    binance_standin: BinanceStandin,
    binance_client_of: ClientOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = client_for(fault, binance_client_of)
    call: Any = {
        "POST": lambda: client.place_order(**BUY),
        "GET": lambda: client.get_order(**OURS),
        "DELETE": lambda: client.cancel_order(**OURS),
    }[method]
    with caplog.at_level(logging.DEBUG):
        binance_standin.fail_next(fault, method=method)
        with pytest.raises(VenueError) as caught:
            call()
        wait_for(lambda: binance_standin.count(method), what="the request")
        binance_client_of().my_trades(symbol="BTCUSDT", order_id=1)
    assert "signature=***" in caplog.text, "urllib3 no longer logs what this test is about"
    signatures = [
        seen.parameters["signature"]
        for seen in binance_standin.seen
        if "signature" in seen.parameters
    ]
    assert len(signatures) >= 2
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert not [secret for secret in (BinanceStandin.api_secret, *signatures) if secret in told]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
