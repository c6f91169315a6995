"""An account may have so many open orders, whatever they reserve."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import User
from risk.services import change_policy
from tests.system.binance_standin.faults import Fault
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Marks, Trader, order
from trading.models import Order, OrderStatus, Venue
from trading.orders.opened import OPEN_TICKETS
from trading.services import cancel_order

pytest_plugins = ["tests.system.binance_standin.fixtures"]

RESTING = {"price": "60000"}


@pytest.fixture
def user(trader: Trader) -> User:
    """A user whose account may have two open orders."""
    change_policy(reason="A test", changes={"max_open_orders": 2})
    return trader("10000")


def test_the_order_that_would_be_one_too_many_is_refused(user: User, trader: Trader) -> None:
    placed = [order(user, "buy", "0.01", **RESTING) for _ in range(3)]
    assert [one.reject_code for one in placed] == ["", "", "too_many_open_orders"]
    assert "2" in placed[-1].reject_detail
    assert order(trader("10000"), "buy", "0.01", **RESTING).status == OrderStatus.NEW
    cancel_order(order_id=placed[0].pk, user_id=user.pk)
    assert order(user, "buy", "0.01", **RESTING).status == OrderStatus.NEW


def test_an_order_that_fills_at_once_is_not_asked(user: User) -> None:
    for _ in range(2):
        order(user, "buy", "0.01", **RESTING)
    assert order(user, "buy", "0.01").status == OrderStatus.FILLED
    assert order(user, "sell", "0.01", price="64000").status == OrderStatus.FILLED


def test_orders_that_reserve_nothing_count_as_well(user: User) -> None:
    order(user, "buy", "0.1")
    parked = [order(user, "sell", "0.001", price="70000", reduce_only=True) for _ in range(3)]
    assert [one.status for one in parked] == ["NEW", "NEW", "REJECTED"]


def test_a_lower_limit_ends_nothing(user: User, marks: Marks) -> None:
    placed = [order(user, "buy", "0.01", **RESTING) for _ in range(2)]
    change_policy(reason="A test", changes={"max_open_orders": 0})
    assert order(user, "buy", "0.01", **RESTING).reject_code == "too_many_open_orders"
    marks(BTCUSDT="59000")
    assert {Order.objects.get(pk=one.pk).status for one in placed} == {OrderStatus.FILLED}


def test_orders_earlier_in_the_batch_count(
    user: User, client_of: Callable[[User], APIClient]
) -> None:
    rests = {"symbol": "BTCUSDT", "side": "buy", "size": "0.01", "type": "limit", **RESTING}
    fills = {"symbol": "BTCUSDT", "side": "buy", "size": "0.01"}
    body = {"orders": [rests, fills, rests, rests, fills]}
    results = client_of(user).post("/orders/batch", body, format="json").json()["results"]
    codes = [result.get("code", result["status_code"]) for result in results]
    assert codes == [200, 200, 200, "too_many_open_orders", 200]


def test_whatever_goes_to_a_venue_is_open_until_that_answers(
    user: User, binance_standin: BinanceStandin, settings: Any
) -> None:
    settings.EXCHANGE_VENUE = Venue.BINANCE_TESTNET
    settings.BINANCE_BASE_URL = binance_standin.url
    settings.BINANCE_API_KEY = binance_standin.api_key
    settings.BINANCE_API_SECRET = binance_standin.api_secret
    assert order(user, "buy", "0.01", **RESTING).status == OrderStatus.NEW
    binance_standin.fail_next(Fault.DROP_BEFORE)
    assert order(user, "buy", "0.01").status == OrderStatus.PENDING_NEW
    assert order(user, "buy", "0.01").reject_code == "too_many_open_orders"
    settings.EXCHANGE_VENUE = Venue.SIMULATED
    assert order(user, "buy", "0.01", **RESTING).reject_code == "too_many_open_orders"
    assert order(user, "buy", "0.01").status == OrderStatus.FILLED


ENDED: Final = """
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size,
    price, leverage, reduce_only, liquidation, status, reject_code, reject_detail, filled_size,
    required_margin, reserved_margin, reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT account_id, instrument_id, symbol, '', side, type, size, price, leverage, reduce_only,
    liquidation, 'CANCELED', '', '', 0, 0, 0, 0, venue, 'NEW', created_at, updated_at
FROM trading_order CROSS JOIN generate_series(1, 5000)
"""


def test_ended_orders_are_not_read_to_count_the_open_ones(user: User) -> None:
    """Under the plan that PostgreSQL keeps for every account."""
    order(user, "buy", "0.01", **RESTING)
    with connection.cursor() as cursor:
        cursor.execute(ENDED)
        cursor.execute("ANALYZE trading_order")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        asked = OPEN_TICKETS.replace("%(tickets)s", "$1").replace("%(minute_ago)s", "now()")
        cursor.execute(f"PREPARE opening AS {asked}")
        cursor.execute(f"""EXPLAIN EXECUTE opening ('[{{"user_id": {user.pk}}}]')""")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE opening")
    for index in ("order_open_by_account", "order_sent_by_account", "order_twin_by_account"):
        assert index in plan, plan
