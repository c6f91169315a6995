"""What is left of one's limits, over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from accounts.access import REGULATORS
from accounts.models import User
from accounts.services import set_account_state
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import set_instrument_state
from risk.models import RiskPolicy
from risk.services import set_trading_state
from tests.conftest import ClientOf
from tests.trading.conftest import Marks, Trader, order

ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def test_the_room_under_each_limit_is_told(
    api: APIClient, user: User, trader: Trader, marks: Marks
) -> None:
    order(user, "buy", "0.1")
    order(user, "buy", "0.1", price="60000")
    order(trader("10000"), "sell", "0.1")
    marks(BTCUSDT="66000")
    RiskPolicy.objects.update(user_exposure_limit=13_000, max_open_orders=1)
    body = api.get("/account/limits").json()
    assert body == {
        "user_id": user.pk,
        "tier": "beginner",
        "max_leverage": 5,
        "user_exposure": {
            "limit": "13000.00000000",
            "used": "12600.00000000",
            "left": "400.00000000",
        },
        "global_exposure": {
            "limit": "10000000.00000000",
            "used": "19200.00000000",
            "left": "9980800.00000000",
        },
        "open_orders": {"limit": 1, "used": 1, "left": 0},
        "requests": None,
        "orders": None,
    }
    RiskPolicy.objects.update(user_exposure_limit=12_000, max_open_orders=0)
    body = api.get("/account/limits").json()
    assert (body["user_exposure"]["left"], body["open_orders"]["left"]) == ("0.00000000", 0)


def test_what_is_left_of_requests_and_orders_is_told(api: APIClient, settings: Any) -> None:
    """As many as then pass: the call counts as a request, once, and as no order."""
    settings.API_RATE_LIMIT, settings.ORDER_RATE_LIMIT = "10/m", "3/m"
    with time_machine.travel(datetime.now(UTC), tick=False):
        assert api.post("/orders", ORDER, format="json").status_code == 200
        answer = api.get("/account/limits")
        requests, orders = answer.json()["requests"], answer.json()["orders"]
        assert (requests["limit"], requests["left"]) == (10, 8)
        assert (orders["limit"], orders["left"]) == (3, 2)
        assert answer["X-RateLimit-Remaining"] == "8"
        assert str(requests["reset"]) == answer["X-RateLimit-Reset"]
        assert api.get("/account/limits").json()["orders"] == orders
        placed = [api.post("/orders", ORDER, format="json").status_code for _ in range(3)]
        assert placed == [200, 200, 429]
        assert api.get("/account/limits").json()["orders"]["left"] == 0
        assert [api.get("/time").status_code, api.get("/orders").status_code] == [200, 200]
        assert api.get("/account/limits").json()["requests"]["left"] == 1
        assert [api.get("/orders").status_code for _ in range(2)] == [200, 429]


def test_who_has_no_account_is_told_so(client_of: ClientOf, db: None) -> None:
    regulator = User.objects.create_user("regulator", is_staff=True)
    regulator.groups.add(Group.objects.get(name=REGULATORS))
    answer = client_of(regulator).get("/account/limits")
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


def test_an_agent_is_told_where_it_may_only_reduce(api: APIClient, user: User) -> None:
    """Nothing is said else, of a halt neither, which has its own field or code."""

    def told() -> list[str | None]:
        listed = {row["symbol"]: row for row in api.get("/market/instruments").json()["results"]}
        return [listed["BTCUSDT"].get("state"), api.get("/account/limits").json().get("state")]

    btc = Instrument.objects.get(symbol="BTCUSDT")
    assert told() == [None, None]
    set_trading_state(state=TradingState.REDUCING, reason="A test")
    set_instrument_state(instrument=btc, state=TradingState.REDUCING, reason="A test")
    assert told() == ["REDUCING", "REDUCING"]
    set_account_state(account=user.account, state=TradingState.HALTED, reason="A test")
    set_instrument_state(instrument=btc, state=TradingState.HALTED, reason="A test")
    assert told() == [None, None]
