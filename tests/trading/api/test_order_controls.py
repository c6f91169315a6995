"""Controls of orders over HTTP: what is at a limit is accepted, one step beyond is refused."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from market.models import Instrument
from risk.models import LeverageLimit
from tests.conftest import ClientOf
from tests.trading.conftest import Trader


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("100000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def place(api: APIClient, size: str = "0.1", **changes: Any) -> str | None:
    """Order at 65,000 and return the code of the denial, if any."""
    body = {"symbol": "BTCUSDT", "side": "buy", "size": size, **changes}
    answer = api.post("/orders", json.dumps(body), content_type="application/json").json()
    return answer.get("code")


def limit(price: str) -> dict[str, str]:
    return {"type": "limit", "price": price}


def of_tier(**values: object) -> None:
    LeverageLimit.objects.filter(tier="beginner").update(**values)


def rules(api: APIClient) -> Any:
    listed = api.get("/market/instruments").json()["results"]
    return next(one for one in listed if one["symbol"] == "BTCUSDT")


def test_the_largest_value_of_an_order_is_that_of_the_tier(api: APIClient) -> None:
    of_tier(max_order_value=6_500)
    LeverageLimit.objects.exclude(tier="beginner").update(max_order_value=1)
    assert place(api) is None
    assert place(api, "0.10001") == "order_value_exceeded"
    assert place(api, **limit("32500"), size="0.2") is None
    assert place(api, **limit("32500.01"), size="0.2") == "order_value_exceeded"
    told = api.get("/account/limits").json()
    assert told["max_order_value"] == "6500.00000000"


def test_the_largest_value_and_size_of_an_order_are_those_of_the_instrument(
    api: APIClient,
) -> None:
    of_tier(max_order_value=10_000)
    assert "max_order_value" not in rules(api)
    Instrument.objects.update(max_order_value=6_500)
    assert place(api) is None
    assert place(api, "0.10001") == "order_value_exceeded"
    Instrument.objects.update(max_order_size="0.05")
    assert place(api, "0.05") is None
    assert place(api, "0.05001") == "order_value_exceeded"
    told = rules(api)
    assert (told["max_order_size"], told["max_order_value"]) == ("0.05000000", "6500.00000000")


def test_a_limit_that_is_set_later_keeps_nobody_in_a_position(api: APIClient) -> None:
    place(api, "0.3")
    of_tier(max_order_value=1)
    assert place(api, "0.1", side="sell") is None
    assert place(api, "0.1", side="sell", reduce_only=True) is None
    assert place(api, "0.10001", side="sell") == "order_value_exceeded"
    assert place(api, "0.1", side="sell", **limit("70000")) == "order_value_exceeded"
    assert place(api, "0.5", side="sell", **limit("70000"), reduce_only=True) is None
    assert api.post("/positions/BTCUSDT/close").status_code == 200
