"""The examples of the documents do on a running exchange what they say."""

import time
from decimal import Decimal
from types import ModuleType

import pytest

from accounts.keys import revoke_api_keys
from accounts.models import User
from tests.system.agents.conftest import ClientOf, committed
from tests.system.agents.front import LOST, RETRY_AFTER, Front

pytestmark = pytest.mark.django_db


def test_amounts_are_decimals_both_ways(client_of: ClientOf) -> None:
    client = client_of()
    client.order("BTCUSDT", "buy", Decimal("0.10000000"), client_order_id="1.50")
    account = client.account()
    assert account["margin_used"] == client.account(account["user_id"])["margin_used"] == 1300
    assert account["positions"][0]["quantity"].as_tuple() == Decimal("0.10000000").as_tuple()
    assert client.get("/orders")["results"][0]["client_order_id"] == "1.50"


def test_pages_are_read_to_the_end(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    placed = [client.order("BTCUSDT", "buy", "0.001")["order"]["order_id"] for _ in range(5)]
    front.seen.clear()
    rows = client.pages("/orders", page_size=2, symbol="btcusdt")
    assert next(rows)["order_id"] == placed[-1]
    assert len(front.seen) == 1
    assert [row["order_id"] for row in rows] == placed[-2::-1]
    assert len(front.seen) == 3


def test_a_refusal_is_an_exception_with_its_code_and_fields(
    client_of: ClientOf, example: ModuleType
) -> None:
    client = client_of()
    with pytest.raises(example.Refused, match="leverage of up to 5") as refused:
        client.order("BTCUSDT", "buy", "0.1", leverage=10)
    assert (refused.value.status, refused.value.code) == (400, "leverage_exceeds_tier")
    order = client.get(f"/orders/{refused.value.fields['order_id']}")
    assert order["status"] == "REJECTED"
    with pytest.raises(example.Refused) as refused:
        client.order("BTCUSDT", "buy", "much")
    assert refused.value.fields["errors"].keys() == {"size"}


def test_an_order_whose_answer_is_lost_is_placed_once(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [LOST, 502, 503]
    answer = client.order("BTCUSDT", "buy", "0.1")
    assert front.seen.count("POST /orders") == 4
    assert [row["order_id"] for row in client.pages("/orders")] == [answer["order"]["order_id"]]


def test_what_may_have_been_done_is_not_done_twice(
    client_of: ClientOf, example: ModuleType, front: Front
) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [LOST]
    with pytest.raises(example.LOST):
        client.order("BTCUSDT", "buy", "0.1", client_order_id=None)
    front.faults = [502]
    with pytest.raises(example.Refused, match="of_the_front"):
        client.order("BTCUSDT", "buy", "0.1", client_order_id=None)
    assert len(list(client.pages("/orders"))) == 1


def test_it_waits_until_it_may_ask_again(client_of: ClientOf, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.faults = [429]
    asked = time.monotonic()
    client.post("/orders", {"symbol": "BTCUSDT", "side": "buy", "size": "0.1"})
    assert time.monotonic() - asked >= int(RETRY_AFTER)
    assert len(list(client.pages("/orders"))) == 1


def test_it_renews_its_token_once(client_of: ClientOf, example: ModuleType, front: Front) -> None:
    client = client_of(front.url)
    client.account()
    front.seen.clear()
    front.faults = [401]
    client.account()
    assert front.seen == ["GET /account/me", "POST /auth/token", "GET /account/me"]
    user = User.objects.get(pk=client.account()["user_id"])
    committed(lambda: revoke_api_keys(user=user))
    with pytest.raises(example.Refused, match="invalid_api_key"):
        client.account()
