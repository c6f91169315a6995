"""What is left of one's limits, over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from accounts.access import REGULATORS
from accounts.models import Account, User
from accounts.services import resume_account, set_account_state
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import set_instrument_state
from risk.models import LeverageLimit, RiskPolicy
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


def test_controls_that_are_on_are_told_with_what_is_left(
    market: object, client_of: ClientOf, trader: Trader, marks: Marks
) -> None:
    """As each order is held to them: what only reduces fills, and sends nothing."""
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        user = trader("10000", "beginner")
        api = client_of(user)
        RiskPolicy.objects.update(
            price_band="0.05", duplicate_seconds=3, max_fills=3, fills_window_seconds=30
        )
        LeverageLimit.objects.filter(tier="beginner").update(max_minute_value=200)
        fills = {"limit": 3, "used": 0, "left": 3, "window_seconds": 30}
        value = {"limit": "200.00000000", "used": "0.00000000", "left": "200.00000000"}
        told = api.get("/account/limits").json()
        assert (told["price_band"], told["duplicate_seconds"]) == ("0.05000000", 3)
        assert (told["minute_value"], told["fills"]) == (value, fills)
        api.post("/orders", ORDER, format="json")
        api.post("/orders", {**ORDER, "side": "sell"}, format="json")
        told = api.get("/account/limits").json()
        assert told["minute_value"] == {**value, "used": "65.00000000", "left": "135.00000000"}
        assert told["fills"] == {**fills, "used": 2, "left": 1}
        clock.shift(30)
        told = api.get("/account/limits").json()
        assert (told["minute_value"]["used"], told["fills"]) == ("65.00000000", fills)
        clock.shift(30)
        assert api.get("/account/limits").json()["minute_value"] == value
        marks(BTCUSDT="65000")
        for symbol_side in ("buy", "sell", "buy"):
            api.post("/orders", {**ORDER, "side": symbol_side}, format="json")
            clock.shift(4)
        told = api.get("/account/limits").json()
        assert (told["state"], told["throttled"]) == ("REDUCING", "3 fills in 30 s")
        assert "fills" not in told
        resume_account(account=Account.objects.get(user=user), reason="A test")
        assert api.get("/account/limits").json()["fills"] == fills


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
