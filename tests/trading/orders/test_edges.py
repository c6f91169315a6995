"""What an order may look like at its edges, and that what means the same is taken for the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.each import each
from tests.trading.conftest import Trader
from trading.models import Order

BUY = {"symbol": "BTCUSDT", "side": "buy", "size": "0.01"}


@pytest.fixture
def api(trader: Trader, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(trader("1000000", "advanced"))


def place(api: APIClient, text: str = "", **changes: Any) -> Any:
    """Place an order; ``text`` is a part of the body that Python would write differently."""
    body = json.dumps({**BUY, **changes})
    body = body[:-1] + ", " + text + "}" if text else body
    return api.post("/orders", body, content_type="application/json")


LONG = "0.01" + "0" * 60


@pytest.mark.parametrize("as_text", [True, False])
def test_trailing_zeros_say_nothing(api: APIClient, as_text: bool) -> None:
    given = f'"{LONG}"' if as_text else LONG
    body = f'{{"symbol": "BTCUSDT", "side": "buy", "size": {given}, "client_order_id": "zeros"}}'
    answer = api.post("/orders", body, content_type="application/json")
    assert (answer.status_code, answer.json()["order"]["size"]) == (200, "0.01000000")
    again = place(api, client_order_id="zeros")
    assert (again.status_code, again.content) == (200, answer.content)


@each("size", [LONG + "0", "0" * 65, "1" * 37, "0.0000000000000000001", "1e19"])
def test_a_longer_number_is_refused(api: APIClient, size: str) -> None:
    for answer in (place(api, size=size), place(api, f'"price": {size or 0}', type="limit")):
        assert (answer.status_code, answer.json()["code"]) in {
            (400, "validation_error"),
            (400, "parse_error"),
        }
    assert not Order.objects.exists()


@each("size", ["1e1", "1E+1", "10", "10.0", "0.1e2", " 10 "])
def test_an_exponent_is_read(api: APIClient, size: str) -> None:
    first = place(api, symbol="ETHUSDT", size="10.00", client_order_id="ten")
    assert first.json()["order"]["size"] == "10.00000000"
    assert place(api, symbol="ETHUSDT", size=size, client_order_id="ten").content == first.content
    if size.strip() == size:
        other = f'{{"symbol": "ETHUSDT", "side": "buy", "size": {size}, "client_order_id": "ten"}}'
        again = api.post("/orders", other, content_type="application/json")
        assert again.content == first.content


@each("size", ["1e-400", "1e999999999", "-0e5", "0e99", "NaN", "Infinity", "1_0"])
def test_odd_numbers_are_refused(api: APIClient, size: str) -> None:
    answer = place(api, size=size)
    assert answer.status_code == 400
    assert answer.json()["code"] in {"validation_error", "invalid_size"}


@each("leverage", [21, 32_768, 1_000_001, 2**31, 10**30, str(10**12)])
def test_a_leverage_beyond_the_tier_is_refused_however_high(api: APIClient, leverage: Any) -> None:
    answer = place(api, leverage=leverage, client_order_id="high")
    assert (answer.status_code, answer.json()["code"]) == (400, "leverage_exceeds_tier")
    stored = api.get(f"/orders/{answer.json()['order_id']}").json()
    assert stored["leverage"] == min(int(leverage), 2**31 - 1)
    assert place(api, leverage=leverage, client_order_id="high").content == answer.content
    other = place(api, leverage=int(leverage) + 1, client_order_id="high")
    assert (other.status_code, other.json()["code"]) == (409, "client_order_id_conflict")


OPTIONAL = ("user_id", "leverage", "type", "price", "reduce_only", "client_order_id")


@each("field", OPTIONAL)
def test_null_means_left_out(api: APIClient, field: str) -> None:
    name = {} if field == "client_order_id" else {"client_order_id": "same"}
    first = place(api, **name)
    again = place(api, **{field: None}, **name)
    assert (first.status_code, again.status_code) == (200, 200)
    if name:
        assert again.content == first.content
    [result] = api.post(
        "/orders/batch", {"orders": [{**BUY, field: None, **name}]}, format="json"
    ).json()["results"]
    assert result["status_code"] == 200


def test_all_optional_fields_may_be_null(api: APIClient) -> None:
    order = place(api, **dict.fromkeys(OPTIONAL)).json()["order"]
    assert (order["type"], order["reduce_only"], order["leverage"]) == ("market", False, 20)


@each("field", ["symbol", "side", "size"])
def test_null_for_a_required_field_is_refused(api: APIClient, field: str) -> None:
    answer = place(api, **{field: None})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@each("value", ["", "null", [], {}, 2])
def test_what_is_no_flag_is_refused(api: APIClient, value: Any) -> None:
    answer = place(api, reduce_only=value)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["reduce_only"])


def test_a_limit_order_with_a_null_price_has_none(api: APIClient) -> None:
    answer = place(api, type="limit", price=None)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["price"])


def test_the_price_of_a_market_order_counts_when_it_is_repeated(api: APIClient) -> None:
    first = place(api, price="1", client_order_id="mine")
    assert first.status_code == 200
    assert first.json()["order"]["price"] == "65000.00000000"
    again = place(api, price="1.00", client_order_id="mine")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    for changes in ({"price": "2"}, {}, {"price": None}, {"price": "1", "type": "limit"}):
        other = place(api, **changes, client_order_id="mine")
        assert (other.status_code, other.json()["code"]) == (409, "client_order_id_conflict")
    assert Order.objects.count() == 1


def test_sizes_that_differ_in_their_last_digit_are_not_the_same(api: APIClient) -> None:
    digits = "123456789012345678.12345678901234567"
    first = place(api, size=digits + "8", client_order_id="long")
    assert first.json()["code"] == "invalid_size"
    assert place(api, size=digits + "8", client_order_id="long").content == first.content
    assert place(api, size=digits + "9", client_order_id="long").status_code == 409
