"""A small market that the trading tests drive by hand."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import Tier, User
from accounts.services import create_user, fund_insurance
from market.binance.answers import OrderResult
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from risk.engine import Intent
from risk.selectors import account_states
from risk.state import AccountState
from tests import each
from tests.kept import put_marked_now
from trading.history.ledger_check import ledger_differences
from trading.models import Order, ParkedAnswer
from trading.services import place_order
from trading.steps.by_hand import step_at_prices
from trading.steps.step import StepResult, apply_marks
from trading.venues.orders import FATE_FINAL_AFTER
from trading.venues.settlement import settle

Marks = Callable[..., StepResult]
Trader = Callable[..., User]


@pytest.fixture(autouse=True)
def clean_ledger(db: None) -> Iterator[None]:
    """Whatever a test did, history must bear out the running totals."""
    each.HELD.append(ledger_is_sound)
    yield
    each.HELD.remove(ledger_is_sound)
    ledger_is_sound()


def ledger_is_sound() -> None:
    assert ledger_differences() == []


@pytest.fixture
def marks(db: None) -> Marks:
    """Set mark prices by one market step: ``marks(BTCUSDT="65000")``."""

    def step(**prices: str) -> StepResult:
        return step_at_prices({symbol: Decimal(price) for symbol, price in prices.items()})

    return step


def list_market() -> None:
    """BTCUSDT at 65,000 and ETHUSDT at 3,200, without the questions that services ask first."""
    listed = {
        base: Instrument.objects.create(
            symbol=f"{base}USDT",
            base_asset=base,
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.00001"),
            min_notional=Decimal(5),
        )
        for base in ("BTC", "ETH")
    }
    prices = {"BTC": Decimal(65_000), "ETH": Decimal(3200)}
    quotes = {listed[base].pk: Quote(prices[base], PriceOrigin.SIMULATION) for base in listed}
    apply_marks(quotes=quotes, now=timezone.now())


@pytest.fixture
def market(db: None, market_rows: str) -> dict[str, Instrument]:
    """BTCUSDT at 65,000 and ETHUSDT at 3,200, marked at this moment."""
    put_marked_now(market_rows)
    return {one.base_asset: one for one in Instrument.objects.order_by("id")}


@pytest.fixture
def trader(market: dict[str, Instrument]) -> Trader:
    """Create a user: ``trader(balance="10000", tier="advanced")``."""
    count = 0

    def create(balance: str = "10000", tier: str = Tier.INTERMEDIATE) -> User:
        nonlocal count
        count += 1
        return create_user(
            username=f"trader{count}", tier=Tier(tier), opening_balance=Decimal(balance)
        )

    return create


@pytest.fixture
def clerk(db: None) -> User:
    """Somebody who works here."""
    return User.objects.create_user("clerk", is_staff=True)


@pytest.fixture
def insurance(db: None) -> Decimal:
    """An insurance fund of 100,000 USDT."""
    return fund_insurance(amount=Decimal(100_000), reason="Test").amount


def order(
    user: User,
    side: str,
    size: str,
    symbol: str = "BTCUSDT",
    *,
    price: str | None = None,
    leverage: int | None = None,
    reduce_only: bool = False,
    client_order_id: str | None = None,
) -> Order:
    """Place an order and return it, refused or not."""
    intent = Intent(
        symbol=symbol,
        is_buy=side == "buy",
        size=Decimal(size),
        price=None if price is None else Decimal(price),
        leverage=leverage,
        reduce_only=reduce_only,
    )
    return place_order(user_id=user.pk, intent=intent, client_order_id=client_order_id).order


def doubt(order: Order) -> None:
    """A venue says of an order that has ended that it filled more of it."""
    told = OrderResult(
        symbol=order.symbol,
        order_id=4711,
        client_order_id="",
        side=order.side.upper(),
        type="MARKET",
        status="FILLED",
        price=Decimal(0),
        quantity=order.size,
        executed_quantity=2 * order.size,
        quote_quantity=None,
        fills=(),
    )
    settle(order=order, result=told, fills=())


def later(seconds: float) -> time_machine.travel:
    """Move the clocks here and at the venue."""
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True)


def when_fates_are_final() -> time_machine.travel:
    """Move the clocks to when an order that is not at the venue never will be."""
    return later(FATE_FINAL_AFTER.total_seconds() + 1)


def parked_of(placed: Order) -> ParkedAnswer:
    """Return the answer about an order that waits for staff."""
    return ParkedAnswer.objects.get(order=placed, settled_at=None)


def state_of(user: User) -> AccountState:
    """Return an account as it stands."""
    account_id = user.account.pk
    return account_states([account_id])[account_id]


@pytest.fixture
def client_of(settings: Any) -> Callable[[User], APIClient]:
    """Return an API client with a token for a new key of the user; no limit counts."""
    settings.API_RATE_LIMIT = settings.ORDER_RATE_LIMIT = settings.TOKEN_RATE_LIMIT = None

    def client(user: User) -> APIClient:
        api_key, _ = issue_api_key(reason="A test", user=user)
        api = APIClient()
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(api_key)}")
        return api

    return client
