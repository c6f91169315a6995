"""A repeated client_order_id is answered as it was the first time, byte for byte."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from accounts.models import User
from tests.each import each
from tests.system.binance_standin.faults import Answer, Fault
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Marks, Trader, order
from trading.models import Order, OrderStatus, Venue
from trading.orders.tickets import answer_first
from trading.services import cancel_order
from trading.venues.connection import venue_order_id
from trading.venues.reconciliation import reconcile_pending_orders

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal
LIMIT = {"symbol": "BTCUSDT", "side": "buy", "size": "0.02", "type": "limit", "price": "64000"}


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000")


@pytest.fixture
def api(user: User, client_of: Callable[[User], APIClient]) -> APIClient:
    return client_of(user)


@pytest.fixture
def venue(binance_standin: BinanceStandin, settings: Any) -> BinanceStandin:
    """The exchange, set to place its orders at the stand-in."""
    settings.EXCHANGE_VENUE = Venue.BINANCE_TESTNET
    settings.BINANCE_BASE_URL = binance_standin.url
    settings.BINANCE_API_KEY = binance_standin.api_key
    settings.BINANCE_API_SECRET = binance_standin.api_secret
    return binance_standin


class Asked:
    """An order by HTTP and its first answer."""

    def __init__(self, api: APIClient, **body: Any) -> None:
        self.api, self.body = api, {**body, "client_order_id": "mine"}
        self.first = self.send()
        assert "Idempotent-Replayed" not in self.first.headers

    def send(self) -> Any:
        return self.api.post("/orders", json.dumps(self.body), content_type="application/json")

    @property
    def order(self) -> Order:
        return Order.objects.select_related("account").get(client_order_id="mine")

    def is_answered_again(self) -> bool:
        """Tell whether the same body, alone and in a batch, gets the same answer."""
        again = self.send()
        [result] = self.api.post("/orders/batch", {"orders": [self.body]}, format="json").json()[
            "results"
        ]
        status, replayed = result.pop("status_code"), result.pop("idempotent_replayed")
        assert (again.headers["Idempotent-Replayed"], replayed) == ("true", True)
        assert again.status_code == status == self.first.status_code
        return bool(again.content == self.first.content and result == self.first.json())


def counted(result: str, code: str) -> float:
    return REGISTRY.get_sample_value("orders_total", {"result": result, "code": code}) or 0.0


def test_an_order_that_expired_later(api: APIClient, user: User, marks: Marks) -> None:
    order(user, "buy", "0.01")
    asked = Asked(api, **{**LIMIT, "side": "sell", "price": "66000", "reduce_only": True})
    order(user, "sell", "0.01")
    marks(BTCUSDT="66000")
    assert (asked.order.status, asked.order.reject_code) == ("EXPIRED", "reduce_only_rejected")
    assert asked.first.json()["order"]["status"] == "NEW"
    assert asked.is_answered_again()


def test_an_order_that_filled_later(api: APIClient, marks: Marks) -> None:
    asked = Asked(api, **LIMIT)
    marks(BTCUSDT="63000")
    assert asked.order.status == OrderStatus.FILLED
    assert asked.is_answered_again()


@pytest.mark.parametrize(
    ("size", "result", "code"),
    [("0.02", "NEW", ""), ("0.00001", "REJECTED", "below_min_notional")],
)
def test_a_repeated_order_counts_once_in_the_metrics(
    api: APIClient, size: str, result: str, code: str
) -> None:
    before = counted(result, code)
    assert Asked(api, **{**LIMIT, "size": size}).is_answered_again()
    assert counted(result, code) == before + 1


def test_an_order_that_was_canceled_later(api: APIClient, user: User) -> None:
    asked = Asked(api, **LIMIT)
    cancel_order(order_id=asked.order.pk, user_id=user.pk)
    assert asked.is_answered_again()


def test_an_order_that_filled_at_once(api: APIClient, user: User, marks: Marks) -> None:
    asked = Asked(api, symbol="BTCUSDT", side="buy", size="0.0200000000")
    order(user, "buy", "0.01")
    marks(BTCUSDT="60000")
    assert asked.is_answered_again()


@each(
    "body",
    [
        {"symbol": "BTCUSDT", "side": "buy", "size": "100"},
        {"symbol": "BTCUSDT", "side": "buy", "size": "0.0000000001"},
        {"symbol": "NOSUCH", "side": "buy", "size": "1", "leverage": 1_000_000},
    ],
)
def test_an_order_that_was_refused(api: APIClient, body: dict[str, Any]) -> None:
    asked = Asked(api, **body)
    assert asked.first.status_code == 400
    assert asked.is_answered_again()


def test_an_order_that_was_partly_filled_when_it_was_answered(
    venue: BinanceStandin, api: APIClient, user: User
) -> None:
    venue.set_book("BTCUSDT", bids=[], asks=[(D("64000"), D("0.005"))])
    asked = Asked(api, **LIMIT)
    shown = asked.first.json()["order"]
    assert (shown["status"], shown["filled_size"]) == ("PARTIALLY_FILLED", "0.00500000")
    for size in ("0.005", "0.01"):
        venue.fill(venue_order_id(asked.order), "63999", size)
        assert reconcile_pending_orders() == 1
        assert asked.order.average_price != D("64000")
        assert asked.is_answered_again()
    assert asked.order.status == OrderStatus.FILLED


def test_an_order_that_the_venue_refused_at_length(
    venue: BinanceStandin, api: APIClient, user: User
) -> None:
    """What is kept of a long sentence is what is told of it, the first time too."""
    venue.faults.add("POST", "/api/v3/order", Answer(400, {"code": -2010, "msg": "no " * 200}))
    asked = Asked(api, **LIMIT)
    assert (asked.first.status_code, asked.first.json()["code"]) == (400, "venue_rejected")
    assert asked.is_answered_again()


def test_an_order_whose_fate_was_unknown(venue: BinanceStandin, api: APIClient, user: User) -> None:
    venue.set_book("BTCUSDT", bids=[], asks=[(D("64000"), D("1"))])
    venue.fail_next(Fault.DROP_AFTER)
    asked = Asked(api, **LIMIT)
    assert asked.first.json()["order"]["status"] == "PENDING_NEW"
    assert reconcile_pending_orders() == 1
    assert asked.order.status == OrderStatus.FILLED
    assert asked.is_answered_again()


def test_an_order_that_was_booked_before_its_client_was_answered(
    venue: BinanceStandin, api: APIClient
) -> None:
    """The answer of the venue got lost, and reconciliation was faster than the client."""
    venue.set_book("BTCUSDT", bids=[], asks=[(D("64000"), D("1"))])
    venue.fail_next(Fault.DROP_AFTER)
    Asked(api, **LIMIT)
    reconcile_pending_orders()
    order_id = Order.objects.get().pk
    for _ in range(2):
        told = answer_first(order_id).order
        assert (told.status, told.filled_size) == (OrderStatus.FILLED, D("0.02"))
    for change in ({"accepted_as": OrderStatus.NEW}, {"updated_at": timezone.now()}):
        with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
            Order.objects.filter(pk=order_id).update(**change)
