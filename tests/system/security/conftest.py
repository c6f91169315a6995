"""Two traders, of whom one is after the other's data, and a member of staff."""

from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.models import Tier, User
from accounts.services import create_user
from market.services import list_instrument
from risk.engine import Intent
from tests.conftest import ApiClient, ClientOf
from trading.models import Order
from trading.services import place_order
from trading.steps.by_hand import step_at_prices

D = Decimal


@pytest.fixture(autouse=True)
def no_limits(settings: Settings) -> None:
    settings.API_RATE_LIMIT = settings.ORDER_RATE_LIMIT = None


@pytest.fixture
def market(db: None) -> None:
    list_instrument(
        reason="A test",
        symbol="BTCUSDT",
        base_asset="BTC",
        tick_size=D("0.01"),
        lot_size=D("0.00001"),
    )
    step_at_prices({"BTCUSDT": D(65_000)})


@pytest.fixture
def victim(market: None) -> User:
    """A trader with a position, a trade, a close-out and a resting order."""
    user = create_user(username="victim", tier=Tier.ADVANCED, opening_balance=D(10_000))
    place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, D(1)))
    step_at_prices({"BTCUSDT": D(55_500)})
    step_at_prices({"BTCUSDT": D(65_000)})
    place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, D("0.001")))
    place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, D("0.001"), price=D(50_000)))
    return user


@pytest.fixture
def resting(victim: User) -> Order:
    """The victim's open order."""
    return Order.objects.get(account__user=victim, status="NEW")


@pytest.fixture
def intruder(market: None, client_of: ClientOf) -> ApiClient:
    """A client with a token of another trader, without a history."""
    return client_of(create_user(username="intruder", opening_balance=D(10_000)))


@pytest.fixture
def staff(market: None, client_of: ClientOf) -> ApiClient:
    """A client with a token of a member of staff."""
    user = create_user(username="clerk", opening_balance=D(10_000))
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    return client_of(user)
