"""A market with demo data, on which a trader was closed out with a loss that nobody could pay."""

from collections.abc import Callable

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from accounts.models import User
from tests.conftest import ApiClient, ClientOf
from tests.kept import kept, put_marked_now
from trading.demo.data import seed_demo

Order = Callable[..., int]


@pytest.fixture
def order(client_of: ClientOf, demo: None) -> Order:
    """Place an order of a demo user over the API; return the status of the answer."""

    def place(username: str, side: str, size: str, **more: str) -> int:
        client: ApiClient = client_of(User.objects.get(username=username))
        body = {"symbol": "BTCUSDT", "side": side, "size": size, **more}
        return client.post("/orders", body).status_code

    return place


@pytest.fixture(scope="session")
def demo_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The statement that makes an empty exchange one with demo data."""
    return kept("demo", seed_demo, django_db_blocker)


@pytest.fixture
def demo(db: None, demo_rows: str) -> None:
    put_marked_now(demo_rows)


@pytest.fixture
def liquidated(order: Order) -> None:
    """Four orders, one of them refused; then a crash that closes out one of the three traders."""
    assert order("beginner", "buy", "0.7") == 200
    assert order("advanced", "sell", "0.5") == 200
    assert order("intermediate", "buy", "0.1") == 200
    assert order("beginner", "buy", "100") == 400
    call_command("set_price", "BTCUSDT", "40000", verbosity=0)
