"""The stand-in keeps to the documented API: what it lets pass, the venue would let pass."""

import hashlib
import hmac
import time
from typing import Any

import pytest
import requests

from tests.system.binance_standin.faults import Fault
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=60000"


def signature(payload: str) -> str:
    secret = BinanceStandin.api_secret.encode()
    return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()


def stamped(payload: str, shift: int = 0, window: int = 5000) -> str:
    return f"{payload}&recvWindow={window}&timestamp={int(time.time() * 1000) + shift}"


def send(
    standin: BinanceStandin, method: str, query: str, body: str = "", path: str = "/api/v3/order"
) -> tuple[int, Any]:
    answer = requests.request(
        method,
        f"{standin.url}{path}?{query}",
        data=body,
        headers={"X-MBX-APIKEY": standin.api_key},
        timeout=5,
    )
    return answer.status_code, answer.json()


def signed(standin: BinanceStandin, method: str, payload: str, **more: Any) -> tuple[int, Any]:
    payload = stamped(payload, **more)
    return send(standin, method, f"{payload}&signature={signature(payload)}")


@pytest.mark.parametrize("split", [0, len("symbol=BTCUSDT&side=BUY"), None])
def test_parameters_in_query_or_body_or_both(
    split: int | None, binance_standin: BinanceStandin
) -> None:
    payload = stamped(ORDER)
    query, body = (payload, "") if split is None else (payload[:split], payload[split:])
    body = body.removeprefix("&")
    sign = f"signature={signature(query + body).upper()}"
    query, body = (query, f"{body}&{sign}") if body else (f"{query}&{sign}", body)
    status, order = send(binance_standin, "POST", query, body)
    assert (status, order["status"]) == (200, "NEW")


def test_a_separator_between_query_and_body_is_not_signed(binance_standin: BinanceStandin) -> None:
    body = stamped("quantity=1&price=60000")
    query = ORDER.removesuffix("&quantity=1&price=60000")
    status, error = send(
        binance_standin, "POST", query, f"{body}&signature={signature(f'{query}&{body}')}"
    )
    assert (status, error["code"]) == (400, -1022)


@pytest.mark.parametrize(
    ("shift", "window", "code"),
    [
        (0, 5000, None),
        (900, 5000, None),
        (1500, 5000, -1021),
        (-4000, 5000, None),
        (-5500, 5000, -1021),
        (-5500, 60000, None),
        (0, 60001, -1102),
    ],
)
def test_time_window(
    shift: int, window: int, code: int | None, binance_standin: BinanceStandin
) -> None:
    _, answer = signed(binance_standin, "POST", ORDER, shift=shift, window=window)
    assert answer.get("code") == code


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (ORDER.replace("&price=60000", ""), -1102),
        (ORDER.replace("&quantity=1", ""), -1102),
        (ORDER.replace("&timeInForce=GTC", ""), -1102),
        (ORDER.replace("GTC", "GTX"), -1115),
        (ORDER.replace("LIMIT", "STOP_LOSS"), -1116),
        (ORDER.replace("quantity=1", "quantity=-1"), -1100),
        (ORDER.replace("quantity=1", "quantity=1E2"), -1100),
        (ORDER.replace("quantity=1", "quantity=1.000000001"), -1111),
        (ORDER + "&price=1", -1101),
        (ORDER + "&colour=red", -1104),
        (ORDER.replace("BTCUSDT", "btcusdt"), -1100),
        (ORDER.replace("BTCUSDT", "BTCEUR"), -1121),
        (ORDER.replace("quantity=1", "quantity=17"), -2010),
    ],
)
def test_refused_orders(payload: str, code: int, binance_standin: BinanceStandin) -> None:
    status, error = signed(binance_standin, "POST", payload)
    assert (status, error["code"]) == (400, code)
    assert binance_standin.orders == []


@pytest.mark.parametrize("missing", ["timestamp", "signature"])
def test_mandatory_parameters_of_signed_requests(
    missing: str, binance_standin: BinanceStandin
) -> None:
    payload = ORDER if missing == "timestamp" else stamped(ORDER)
    query = f"{payload}&signature=0" if missing == "timestamp" else payload
    status, error = send(binance_standin, "POST", query)
    assert (status, error["code"]) == (400, -1102)
    assert f"'{missing}'" in error["msg"]


def test_an_order_is_asked_for_by_some_id(binance_standin: BinanceStandin) -> None:
    for method in ("GET", "DELETE"):
        _, error = signed(binance_standin, method, "symbol=BTCUSDT")
        assert error["code"] == -1102


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbols=[%22BTCUSDT%22,%20%22ETHUSDT%22]", -1100),
        ("symbols=[%22BTCUSDT%22,%22BTCUSDT%22]", -1151),
        ("symbol=BTCUSDT&symbols=[%22BTCUSDT%22]", -1128),
        ("symbols=[%22NOSUCH%22]", -1121),
    ],
)
def test_refused_symbols(query: str, code: int, binance_standin: BinanceStandin) -> None:
    _, error = send(binance_standin, "GET", query, path="/api/v3/ticker/price")
    assert error["code"] == code


def test_one_symbol_is_answered_by_one_object(binance_standin: BinanceStandin) -> None:
    path = "/api/v3/ticker/price"
    _, price = send(binance_standin, "GET", "symbol=BTCUSDT", path=path)
    assert price == {"symbol": "BTCUSDT", "price": "65000.00000000"}
    _, prices = send(binance_standin, "GET", "", path=path)
    assert [entry["symbol"] for entry in prices] == ["BTCUSDT", "ETHUSDT"]


def test_an_open_order_locks_its_balance(binance_standin: BinanceStandin) -> None:
    binance_standin.set_balance("USDT", "90000")
    assert signed(binance_standin, "POST", ORDER)[0] == 200
    assert signed(binance_standin, "POST", ORDER)[1]["code"] == -2010
    assert signed(binance_standin, "DELETE", "symbol=BTCUSDT&orderId=1")[1]["status"] == "CANCELED"
    assert signed(binance_standin, "POST", ORDER)[0] == 200


def test_an_unknown_path_and_faults_that_are_used_up(binance_standin: BinanceStandin) -> None:
    url = f"{binance_standin.url}/sapi/v1/account"
    assert requests.get(url, timeout=5).status_code == 404
    binance_standin.fail_next(Fault.UNAVAILABLE_BEFORE, method="GET", path="/api/v3/time")
    answers = [requests.get(f"{binance_standin.url}/api/v3/time", timeout=5) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 200]
    assert answers[1].headers["X-MBX-USED-WEIGHT-1M"] == "1"
