"""Positions over HTTP: one by its id."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.trading.conftest import Trader, order

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def test_a_position_is_found_by_its_id_open_and_closed(api: APIClient, user: User) -> None:
    order(user, "buy", "0.1")
    [listed] = api.get("/positions").json()["results"]
    path = f"/positions/{listed['position_id']}"
    assert api.get(path).json() == listed
    order(user, "sell", "0.1")
    closed = api.get(path).json()
    assert (closed["status"], closed["quantity"]) == ("CLOSED", "0.00000000")
    for unknown in ("999999", "9" * 40):
        answer = api.get(f"/positions/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
