"""Cancelling all open orders over HTTP."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import suspend_account
from market.kernel.states import TradingState
from risk.selectors import global_exposure
from risk.services import set_trading_state
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.models import Order

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("100000")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


@pytest.fixture
def resting(user: User) -> list[int]:
    """Two open orders in BTCUSDT and one in ETHUSDT, beside some that have ended."""
    order(user, "buy", "0.1")
    order(user, "buy", "100")
    found = [
        order(user, "buy", "0.1", price="60000"),
        order(user, "sell", "0.05", price="70000", reduce_only=True),
        order(user, "buy", "1", "ETHUSDT", price="3000"),
    ]
    return [placed.pk for placed in found]


def test_all_open_orders_are_cancelled_at_once(
    api: APIClient, user: User, resting: list[int], trader: Trader
) -> None:
    other = order(trader("10000"), "buy", "0.1", price="60000")
    answer = api.post("/orders/cancel-all")
    assert answer.status_code == 200
    assert answer.json() == {"canceled": resting, "count": 3, "not_canceled": []}
    assert set(Order.objects.filter(pk__in=resting).values_list("status")) == {("CANCELED",)}
    other.refresh_from_db()
    assert other.status == "NEW"
    assert (state_of(user).reserved_margin, state_of(user).exposure) == (0, 6500)
    assert global_exposure() == 12500
    assert api.post("/orders/cancel-all").json()["canceled"] == []


@pytest.mark.parametrize("way", ["query", "body"])
def test_those_of_one_instrument_are(
    api: APIClient, user: User, resting: list[int], way: str
) -> None:
    asked = {"symbol": "ethusdt", "user_id": user.pk}
    if way == "query":
        answer = api.post(f"/orders/cancel-all?symbol=ethusdt&user_id={user.pk}")
    else:
        answer = api.post("/orders/cancel-all", asked, format="json")
    assert answer.json()["canceled"] == resting[2:]
    assert api.get("/orders?status=NEW").json()["results"][0]["order_id"] == resting[1]


def test_more_than_one_transaction_holds_end_in_several(
    api: APIClient, resting: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading.orders.cancellation.MOST_AT_ONCE", 2)
    assert api.post("/orders/cancel-all").json()["canceled"] == resting


def test_neither_a_halt_nor_a_suspension_keeps_orders_open(
    api: APIClient, user: User, resting: list[int], marks: Marks
) -> None:
    set_trading_state(state=TradingState.HALTED, reason="A test")
    suspend_account(reason="A test", account=user.account)
    marks(ETHUSDT="2999")  # reached, but not filled while trading is halted
    assert api.post("/orders/cancel-all").json()["canceled"] == resting


@each(
    ("query", "body", "status", "code"),
    [
        ("symbol=NOSUCH", {}, 404, "unknown_symbol"),
        ("symbol=", {}, 400, "validation_error"),
        ("user_id=me", {}, 400, "validation_error"),
        ("symbol=BTCUSDT", {"symbol": "ETHUSDT"}, 400, "validation_error"),
        ("", {"symbol": None}, 400, "validation_error"),
        ("", [], 400, "validation_error"),
        ("user_id=999999", {}, 403, "permission_denied"),
    ],
)
def test_what_is_not_understood_cancels_nothing(
    api: APIClient, resting: list[int], query: str, body: object, status: int, code: str
) -> None:
    answer = api.post(f"/orders/cancel-all?{query}", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Order.objects.filter(status="NEW").count() == 3
