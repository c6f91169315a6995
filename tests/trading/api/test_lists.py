"""What a page of a list holds, and that it takes a few statements whatever stands in it."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.trading.conftest import Marks, Trader, order

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def staff(client_of: ClientOf) -> APIClient:
    return client_of(User.objects.create_superuser("head", password=None))


def test_pages_turn_forth_and_back(trader: Trader, staff: APIClient) -> None:
    for user in (trader("10000"), trader("10000")):
        for _ in range(3):
            order(user, "buy", "0.01")
    for path in ("/orders", "/trades"):
        first = staff.get(f"{path}?page_size=2").json()
        second = staff.get(first["next"]).json()
        third = staff.get(second["next"]).json()
        rows = [*first["results"], *second["results"], *third["results"]]
        assert rows == staff.get(path).json()["results"]
        assert staff.get(third["previous"]).json()["results"] == second["results"]
        assert staff.get(second["previous"]).json()["results"] == first["results"]


def test_each_liquidation_has_its_own_trades(
    trader: Trader, staff: APIClient, marks: Marks, django_assert_num_queries: Any
) -> None:
    """By three statements: who asks, the page, and the trades of all on it."""
    users = [trader("10000"), trader("10000")]
    for user in users:
        order(user, "buy", "0.8")
        order(user, "buy", "4", "ETHUSDT")
    marks(BTCUSDT="52000", ETHUSDT="2900")
    trades = [row for row in staff.get("/trades").json()["results"] if row["liquidation"]]
    with django_assert_num_queries(3):
        told = staff.get("/liquidations").json()["results"]
    assert {row["user_id"] for row in told} == {user.pk for user in users}
    for row in told:
        own = [trade for trade in trades if trade["user_id"] == row["user_id"]]
        assert row["trades"] == own[::-1]
        assert len(own) == 2
