"""An order that is not understood is none; a client that always names its user is understood."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from risk.models import Position
from tests.each import each
from tests.trading.conftest import Marks, Trader
from trading.models import Order

ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.1"}


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000")


@pytest.fixture
def api(user: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(user)


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
def test_a_misspelt_field_opens_nothing(api: APIClient, batch: bool) -> None:
    body = {**ORDER, "reduceOnly": True}
    if batch:
        sent = {"orders": [body, ORDER]}
        misspelt, placed = api.post("/orders/batch", sent, format="json").json()["results"]
        assert placed["status_code"] == 200
    else:
        misspelt = api.post("/orders", body, format="json").json()
    assert (misspelt["code"], misspelt["errors"]) == (
        "unknown_field",
        {"reduceOnly": ["Did you mean reduce_only?"]},
    )
    assert "order_id" not in misspelt
    assert Order.objects.count() == Position.objects.count() == int(batch)


def test_a_batch_and_a_cancel_refuse_fields_of_their_own(api: APIClient) -> None:
    sent = {"orders": [ORDER], "atomic": True}
    assert api.post("/orders/batch", sent, format="json").json()["code"] == "unknown_field"
    placed = api.post("/orders", {**ORDER, "type": "limit", "price": "60000"}, format="json")
    order_id = placed.json()["order"]["order_id"]
    answer = api.post(f"/orders/{order_id}/cancel", {"reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")
    assert Order.objects.get().status == "NEW"


@each("side", ["BUY", "Buy", "buy"])
def test_side_and_type_are_read_in_any_case(api: APIClient, side: str) -> None:
    name = {"client_order_id": "a"}
    answer = api.post("/orders", {**ORDER, **name, "side": side, "type": "MARKET"}, format="json")
    assert (answer.status_code, answer.json()["order"]["side"]) == (200, "buy")
    again = api.post("/orders", {**ORDER, **name}, format="json")
    assert again["Idempotent-Replayed"] == "true"


def test_a_client_that_always_names_its_user_is_understood(
    api: APIClient, user: User, marks: Marks
) -> None:
    """As clients of the exchange's first version do, in bodies and in queries."""
    me = {"user_id": user.pk}

    def ask(method: str, path: str, body: Any = None) -> Any:
        address = f"{path}?user_id={user.pk}"
        answer = api.post(address, body, format="json") if method == "post" else api.get(address)
        assert answer.status_code == 200, (path, answer.json())
        return answer.json()

    [told] = ask("post", "/orders/batch", {"orders": [{**ORDER, **me}]})["results"]
    assert told["status_code"] == 200
    placed = ask("post", "/orders", {**ORDER, **me, "type": "limit", "price": 60000})["order"]
    assert ask("get", f"/orders/{placed['order_id']}")["user_id"] == user.pk
    assert ask("post", f"/orders/{placed['order_id']}/cancel", me)["status"] == "CANCELED"
    for path in ("/orders", "/trades", "/positions"):
        rows = ask("get", path)["results"]
        assert {row["user_id"] for row in rows} == {user.pk}
    assert ask("get", "/liquidations")["results"] == []
    for path in ("/account/me", f"/account/{user.pk}"):
        assert len(ask("get", path)["positions"]) == 1
