"""Several orders in one request: each as if placed alone, one after the other, at once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from market.models import Instrument
from risk.models import GlobalExposure, RiskPolicy
from tests.each import each
from tests.trading.conftest import Trader, order, state_of
from trading.models import Order, Trade

D = Decimal


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000")


@pytest.fixture
def api(user: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(user)


def entry(side: str = "buy", size: str = "0.1", **changes: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSDT", "side": side, "size": size, **changes}


def place(api: APIClient, *orders: Any) -> list[dict[str, Any]]:
    answer = api.post("/orders/batch", {"orders": list(orders)}, format="json")
    assert answer.status_code == 200, answer.json()
    return list(answer.json()["results"])


def codes(results: list[dict[str, Any]]) -> list[Any]:
    return [result.get("code", result["status_code"]) for result in results]


def test_each_order_has_the_answer_that_it_would_have_had_alone(
    api: APIClient, user: User, trader: Trader, client_of: Callable[[User], APIClient]
) -> None:
    other = client_of(trader("10000"))
    orders = [
        entry(),
        entry("sell", "0.25"),
        entry("buy", "0.05", type="limit", price="60000", leverage=5),
        entry("buy", "0.000001"),
        entry(symbol="NOSUCH"),
        entry("buy", "9"),
        entry(symbol="ethusdt", side="sell", size="1"),
        entry("buy", "0.15", reduce_only=True),
        entry("buy", "0.15", reduce_only=True),
    ]
    together = place(api, *orders)
    alone = [other.post("/orders", one, format="json").json() for one in orders]
    for shared, single in zip(together, alone, strict=True):
        comparable = {key: value for key, value in shared.items() if key in single}
        for varying in ("order_id", "global_exposure_after"):
            comparable.pop(varying, None)
            single.pop(varying, None)
        if "order" in single:
            for varying in ("order_id", "user_id", "created_at"):
                comparable["order"].pop(varying)
                single["order"].pop(varying)
        assert comparable == single
    assert codes(together) == [
        200,
        200,
        200,
        "invalid_size",
        "unknown_symbol",
        "insufficient_margin",
        200,
        200,
        "reduce_only_rejected",
    ]


def test_global_exposure_after_each_order_is_that_of_its_turn(api: APIClient) -> None:
    results = place(api, entry(), entry(), entry("sell", "0.15"))
    after = [D(result["global_exposure_after"]) for result in results]
    assert after == [D(6500), D(13000), D(3250)]
    assert GlobalExposure.objects.get().total == D(3250)


@each(("first", "then"), [("BTCUSDT", "ETHUSDT"), ("ETHUSDT", "BTCUSDT")])
def test_a_position_that_closes_leaves_the_other_to_a_later_order(
    api: APIClient, first: str, then: str
) -> None:
    opened = [entry(symbol=symbol) for symbol in (first, then)]
    closed = [entry("sell", symbol=symbol, reduce_only=True) for symbol in (first, then)]
    assert codes(place(api, *opened, *closed)) == [200] * 4


def test_fees_of_earlier_orders_are_not_there_for_a_later_one(api: APIClient) -> None:
    """Of 10,000 USDT the first takes 3,250 twice, the second 1,300: no 1,300 are left."""
    Instrument.objects.update(taker_fee_rate=D("0.1"))
    results = place(api, entry(size="0.5"), entry(size="0.2"), entry())
    assert codes(results) == [200, 200, "insufficient_margin"]


def test_what_an_earlier_order_reserves_is_not_there_for_a_later_one(api: APIClient) -> None:
    resting = entry(size="1", type="limit", price="60000")
    results = place(api, resting, entry(size="0.62"), entry(size="0.61"))
    assert codes(results) == [200, "insufficient_margin", 200]


def test_the_threshold_stops_the_order_that_would_exceed_it_and_no_other(api: APIClient) -> None:
    RiskPolicy.objects.update(global_exposure_threshold=D(10_000))
    results = place(api, entry(), entry(), entry("buy", "0.05"), entry("sell", "0.15"), entry())
    assert codes(results) == [200, "global_exposure_exceeded", 200, 200, 200]
    assert GlobalExposure.objects.get().total == D(6500)


def test_an_order_that_lifts_exposure_back_to_where_it_was_is_held_to_the_threshold(
    api: APIClient, user: User
) -> None:
    """What the batch adds at most is 0 then, and stays so when later orders open from below."""
    order(user, "buy", "0.3")
    RiskPolicy.objects.update(global_exposure_threshold=D(19_000))
    results = place(
        api,
        entry("sell", "0.1"),
        entry("buy", "2.03125", symbol="ETHUSDT"),
        entry("sell", "0.2"),
        entry("buy", "1", symbol="ETHUSDT"),
    )
    assert codes(results) == [200, "global_exposure_exceeded", 200, 200]


def test_an_order_that_reduces_later_makes_no_room_for_an_earlier_one(api: APIClient) -> None:
    RiskPolicy.objects.update(global_exposure_threshold=D(6_000))
    assert codes(place(api, entry(), entry("sell"))) == ["global_exposure_exceeded"] * 2


def test_a_repeated_client_order_id_is_answered_again(api: APIClient) -> None:
    named = entry(client_order_id="one")
    first, again, other = place(api, named, named, entry(size="0.2", client_order_id="one"))
    assert first["order"] == again["order"]
    assert [first["idempotent_replayed"], again["idempotent_replayed"]] == [False, True]
    assert (other["status_code"], other["code"]) == (409, "client_order_id_conflict")
    [later] = place(api, named)
    assert (later["order"], later["idempotent_replayed"]) == (first["order"], True)
    assert Trade.objects.count() == 1


def test_what_cannot_be_read_is_refused_alone(api: APIClient, trader: Trader) -> None:
    stranger = trader("1")
    results = place(api, entry(), "no order", entry(size="x"), entry(user_id=stranger.pk))
    assert [result["status_code"] for result in results] == [200, 400, 400, 403]
    assert codes(results)[1:] == ["validation_error", "validation_error", "permission_denied"]
    assert results[2]["errors"].keys() == {"size"}
    assert Order.objects.count() == 1


def test_a_position_may_open_close_and_open_again(api: APIClient, user: User) -> None:
    place(api, entry(), entry("sell"), entry("buy", "0.05", leverage=2), entry("sell", "0.15"))
    [position] = state_of(user).positions.values()
    assert (position.holding.quantity, position.holding.margin) == (D("-0.1"), D(650))


@each("body", [{}, {"orders": []}, {"orders": [entry()] * 51}, [], {"orders": 1}])
def test_a_malformed_batch_places_nothing(api: APIClient, body: Any) -> None:
    answer = api.post("/orders/batch", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert not Order.objects.exists()


def test_one_order_and_fifty_need_the_same_few_statements(
    api: APIClient, user: User, django_assert_num_queries: Any
) -> None:
    """The user, then within a transaction: lock, order ids, state, and what is written.

    That is a changed position, then the exposure with the orders and their trades.
    """
    order(user, "buy", "0.01")
    savepoints = 2
    with django_assert_num_queries(6 + savepoints):
        api.post("/orders", entry("buy", "0.001", client_order_id="one"), format="json")
    with django_assert_num_queries(6 + savepoints):
        place(api, *[entry("buy", "0.001")] * 50)
    assert state_of(user).positions.popitem()[1].holding.quantity == D("0.061")
