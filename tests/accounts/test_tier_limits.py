"""Rate limits of a tier and of scopes go before the settings; orders in ten seconds beside them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.authentication import issue_token
from accounts.errors import InvalidRateLimit
from accounts.key_terms import KeyTerms
from accounts.keys import issue_api_key
from accounts.models import AccountPolicy, KeyScopes, RateLimit, Tier, User
from accounts.policy import change_rate_limit
from accounts.rates import Rate
from accounts.services import change_tier, create_user
from tests.conftest import ApiClient
from tests.each import each

#: A call that reads little.
CALL = "/market/ready"
ORDER = {"symbol": "NONE", "side": "buy", "size": "1"}
START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def limit(tier: str = "beginner", scopes: str = KeyScopes.READ_TRADE, **changes: Any) -> None:
    row = RateLimit.objects.get(tier=tier, scopes=scopes)
    change_rate_limit(limit=row, changes=changes, reason="A test")


def client(user: User, scopes: str = KeyScopes.READ_TRADE) -> ApiClient:
    key, _ = issue_api_key(user=user, reason="A test", terms=KeyTerms(scopes))
    caller = ApiClient()
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(key)}")
    return caller


def told(answer: HttpResponse, name: str = "RateLimit") -> tuple[int, str, str]:
    return answer.status_code, answer[f"X-{name}-Limit"], answer[f"X-{name}-Remaining"]


def batch(caller: ApiClient, orders: int) -> HttpResponse:
    answer: HttpResponse = caller.post("/orders/batch", {"orders": [ORDER] * orders})
    return answer


def test_a_tier_has_its_own_limit_until_it_is_emptied(
    clock: time_machine.Traveller, user: User
) -> None:
    caller, other = client(user), client(create_user(username="b", tier=Tier.ADVANCED))
    assert told(caller.get(CALL)) == (200, "100", "99")
    limit(user.tier, requests_per_minute=3)
    answers = [told(caller.get(CALL)) for _ in range(4)]
    assert answers == [(200, "3", "2"), (200, "3", "1"), (200, "3", "0"), (429, "3", "0")]
    assert told(other.get(CALL)) == (200, "100", "99")
    refused = caller.get(CALL)
    assert refused.json()["scope"] == "api"
    assert refused["Retry-After"] == str(refused.json()["retry_after"])
    limit(user.tier, requests_per_minute=None)
    assert told(caller.get(CALL)) == (200, "100", "98")


def test_a_key_follows_its_user_to_another_tier_at_once(
    clock: time_machine.Traveller, user: User
) -> None:
    limit("intermediate", requests_per_minute=7)
    caller = client(user)
    assert told(caller.get(CALL))[1] == "100"
    change_tier(user=user, tier=Tier.INTERMEDIATE, reason="A test")
    assert told(caller.get(CALL)) == (200, "7", "6")


def test_keys_that_only_read_have_limits_of_their_own(
    clock: time_machine.Traveller, user: User
) -> None:
    limit(user.tier, KeyScopes.READ, requests_per_minute=1)
    reader, trader = client(user, KeyScopes.READ), client(user)
    assert [reader.get(CALL).status_code for _ in range(2)] == [200, 429]
    assert told(trader.get(CALL)) == (200, "100", "99")


def test_a_row_holds_where_the_setting_lifts_the_limit(
    clock: time_machine.Traveller, user: User, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = settings.ORDER_RATE_LIMIT = None
    caller = client(user)
    assert "X-RateLimit-Limit" not in caller.get(CALL)
    limit(user.tier, requests_per_minute=2, orders_per_minute=1)
    assert told(caller.post("/orders", ORDER), "OrderLimit") == (400, "1", "0")
    refused = caller.post("/orders", ORDER)
    assert told(refused) == (429, "2", "0")
    assert told(refused, "OrderLimit") == (429, "1", "0")
    assert told(caller.get(CALL)) == (429, "2", "0")


def test_orders_of_ten_seconds_are_held_beside_those_of_a_minute(
    clock: time_machine.Traveller, user: User
) -> None:
    limit(user.tier, orders_per_minute=6, orders_per_10_seconds=4)
    caller = client(user)
    key = str(user.api_keys.get().pk)
    minute = Rate.read("6/m").window_end(key=key, now=int(START.timestamp()))
    begin = datetime.fromtimestamp(minute, UTC)
    clock.move_to(begin)
    answers = [told(caller.post("/orders", ORDER), "OrderLimit") for _ in range(5)]
    assert answers == [(400, "4", str(left)) for left in (3, 2, 1, 0)] + [(429, "4", "0")]
    refused = caller.post("/orders", ORDER)
    ten = Rate.read("4/10s").window_end(key=key, now=minute)
    assert refused["Retry-After"] == str(ten - minute)
    assert refused["X-OrderLimit-Reset"] == str(ten)
    clock.move_to(datetime.fromtimestamp(ten, UTC))
    # What ten seconds refused did not count for the minute, of which two are left.
    assert told(batch(caller, 3), "OrderLimit") == (429, "6", "2")
    assert told(batch(caller, 2), "OrderLimit") == (200, "6", "0")
    refused = caller.post("/orders", ORDER)
    assert told(refused, "OrderLimit") == (429, "6", "0")
    assert refused["Retry-After"] == str(minute + 60 - ten)


def test_two_limits_of_ten_seconds_count_each_order_once(
    clock: time_machine.Traveller, user: User, settings: Settings
) -> None:
    settings.ORDER_RATE_LIMIT = "5/10s"
    limit(user.tier, orders_per_10_seconds=4)
    caller = client(user)
    assert told(batch(caller, 3), "OrderLimit") == (200, "4", "1")
    assert told(batch(caller, 1), "OrderLimit") == (200, "4", "0")


def test_a_batch_that_never_fits_is_told_the_limit_that_it_is_above(
    clock: time_machine.Traveller, user: User
) -> None:
    limit(user.tier, orders_per_10_seconds=4)
    caller = client(user)
    refused = batch(caller, 5)
    assert told(refused, "OrderLimit") == (429, "4", "4")
    assert "At most 4 orders are allowed at once" in refused.json()["detail"]


def test_ten_seconds_slide_where_limits_do(clock: time_machine.Traveller, user: User) -> None:
    AccountPolicy.objects.update(sliding_limits=True)
    limit(user.tier, orders_per_minute=6, orders_per_10_seconds=4)
    caller = client(user)
    passed = []
    for tenth in range(0, 700, 5):  # among them the very ends of both windows
        clock.move_to(START + tenth * SECOND / 10)
        if caller.post("/orders", ORDER).status_code != 429:
            passed.append(tenth)
    for length, most in ((100, 4), (600, 6)):
        assert max(sum(at <= other <= at + length for other in passed) for at in passed) == most
    assert len(passed) == 10


def test_what_is_left_is_told_of_the_limit_that_leaves_least(
    clock: time_machine.Traveller, user: User
) -> None:
    limit(user.tier, requests_per_minute=50, orders_per_minute=6, orders_per_10_seconds=5)
    caller = client(user)
    caller.post("/orders", ORDER)
    body = caller.get("/account/limits").json()
    assert (body["requests"]["limit"], body["requests"]["left"]) == (50, 48)
    assert (body["orders"]["limit"], body["orders"]["left"]) == (5, 4)
    again = caller.get("/account/limits").json()
    assert again["orders"] == body["orders"]


def test_limits_are_read_with_the_key(user: User) -> None:
    caller = client(user)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert caller.get(CALL).status_code == 200
        return len(captured)

    before = statements()
    limit(user.tier, requests_per_minute=50, orders_per_minute=6, orders_per_10_seconds=5)
    assert statements() == before


@each(
    ("scopes", "changes"),
    [
        (KeyScopes.READ_TRADE, {"requests_per_minute": 0}),
        (KeyScopes.READ_TRADE, {"orders_per_minute": 100_001}),
        (KeyScopes.READ_TRADE, {"orders_per_10_seconds": -1}),
        (KeyScopes.READ, {"orders_per_minute": 1}),
        (KeyScopes.READ, {"orders_per_10_seconds": 1}),
    ],
)
def test_what_is_no_limit_is_refused(db: None, scopes: str, changes: dict[str, int]) -> None:
    with pytest.raises(InvalidRateLimit):
        limit("beginner", scopes, **changes)
