"""Orders have a limit of their own beside requests: exact, per key, a batch whole or not at all."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from accounts.models import User
from tests.trading.conftest import Trader
from trading.models import Order

ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000")


@pytest.fixture(params=[None, "10000/d"], ids=["alone", "with_requests"])
def api(
    user: User, client_of: Callable[[User], APIClient], settings: Any, request: Any
) -> APIClient:
    """A client that may place 100 orders in a window that no test outlives.

    They are counted alone where requests have no limit, else with the request.
    """
    settings.ORDER_RATE_LIMIT = "100/d"
    client = client_of(user)
    settings.API_RATE_LIMIT = request.param
    return client


def place(api: APIClient, **changes: Any) -> Any:
    return api.post("/orders", {**ORDER, **changes}, format="json")


def place_batch(api: APIClient, *orders: Any) -> Any:
    return api.post("/orders/batch", {"orders": list(orders)}, format="json")


def remaining(answer: Any) -> int:
    return int(answer["X-OrderLimit-Remaining"])


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_limit_is_exact_and_every_answer_says_where_it_stands(
    api: APIClient, settings: Any
) -> None:
    settings.ORDER_RATE_LIMIT = "3/m"
    with time_machine.travel(datetime.now(UTC), tick=False):
        answers = [place(api) for _ in range(5)]
        now = int(time.time())
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert {answer["X-OrderLimit-Limit"] for answer in answers} == {"3"}
    assert [remaining(answer) for answer in answers] == [2, 1, 0, 0, 0]
    [reset] = {int(answer["X-OrderLimit-Reset"]) for answer in answers}
    assert 0 < reset - now <= 60
    refused = answers[-1]
    assert refused["Retry-After"] == str(reset - now)
    assert refused.json() == {
        "detail": refused.json()["detail"],
        "code": "rate_limited",
        "scope": "orders",
        "retry_after": reset - now,
    }
    assert Order.objects.count() == 3


def test_the_window_ends_when_the_headers_say(api: APIClient, settings: Any) -> None:
    settings.ORDER_RATE_LIMIT = "1/m"
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        reset = datetime.fromtimestamp(int(place(api)["X-OrderLimit-Reset"]), UTC)
        clock.move_to(reset - timedelta(milliseconds=1))
        refused = place(api)
        assert (refused.status_code, refused["Retry-After"]) == (429, "1")
        clock.move_to(reset)
        assert place(api).status_code == 200


def test_the_windows_are_those_of_requests(api: APIClient, settings: Any) -> None:
    for rate in ("50/s", "50/7s", "50/m", "50/h", "50/d"):
        settings.API_RATE_LIMIT = settings.ORDER_RATE_LIMIT = rate
        with time_machine.travel(datetime.now(UTC), tick=False):
            answer = place(api)
        assert answer["X-OrderLimit-Reset"] == answer["X-RateLimit-Reset"]
        assert (remaining(answer), answer["X-RateLimit-Remaining"]) == (49, "49")


def test_a_batch_counts_its_orders_or_is_refused_whole_and_uncounted(
    api: APIClient, settings: Any
) -> None:
    settings.ORDER_RATE_LIMIT = "10/d"
    assert remaining(place_batch(api, *[ORDER] * 7)) == 3
    refused = place_batch(api, *[ORDER] * 4)
    assert (refused.status_code, refused.json()["scope"], remaining(refused)) == (429, "orders", 3)
    assert "3 of 10 orders are left, not 4" in refused.json()["detail"]
    assert place_batch(api, *[ORDER] * 3).status_code == 200
    assert place(api).status_code == 429
    assert Order.objects.count() == 10


def test_a_batch_above_the_limit_is_told_that_it_never_fits(api: APIClient, settings: Any) -> None:
    settings.ORDER_RATE_LIMIT = "10/d"
    answer = place_batch(api, *[ORDER] * 11)
    assert (answer.status_code, remaining(answer)) == (429, 10)
    assert "send fewer" in answer.json()["detail"]


def test_replays_and_refused_and_unreadable_orders_count(api: APIClient) -> None:
    assert remaining(place(api, client_order_id="one")) == 99
    replayed = place(api, client_order_id="one")
    assert (replayed["Idempotent-Replayed"], remaining(replayed)) == ("true", 98)
    assert remaining(place(api, size="9")) == 97
    assert remaining(place(api, size="much")) == 96
    unreadable = api.generic("POST", "/orders", "{", content_type="application/json")
    assert (unreadable.status_code, remaining(unreadable)) == (400, 95)
    stranger = place(api, user_id=1_000_000)
    assert (stranger.status_code, remaining(stranger)) == (403, 94)
    assert remaining(place_batch(api, ORDER, "no order", {**ORDER, "size": []})) == 91


def test_only_orders_count(api: APIClient, user: User) -> None:
    resting = place(api, type="limit", price="60000").json()["order"]["order_id"]
    others = [
        api.post(f"/orders/{resting}/cancel"),
        api.get("/orders"),
        api.get("/account/me"),
        place_batch(api),
    ]
    assert [answer.status_code for answer in others] == [200, 200, 200, 400]
    assert not any("X-OrderLimit-Limit" in answer for answer in others)
    assert remaining(place(api)) == 98


def test_a_refused_query_counts_no_order_and_another_counts_it_once(
    api: APIClient, user: User
) -> None:
    assert "X-OrderLimit-Limit" not in api.post("/orders?nothing=1", ORDER, format="json")
    named = f"?user_id={user.pk}"
    assert remaining(api.post(f"/orders{named}", ORDER, format="json")) == 99
    assert remaining(api.post(f"/positions/BTCUSDT/close{named}")) == 98
    assert remaining(place(api)) == 97


def test_a_request_over_the_limit_of_requests_counts_no_order(
    api: APIClient, settings: Any
) -> None:
    settings.API_RATE_LIMIT = "1/d"
    assert remaining(place(api)) == 99
    refused = place(api)
    assert (refused.status_code, refused.json()["scope"]) == (429, "api")
    settings.API_RATE_LIMIT = None
    assert remaining(place(api)) == 98


def test_each_key_has_a_limit_of_its_own(
    api: APIClient, user: User, client_of: Callable[[User], APIClient], settings: Any
) -> None:
    settings.ORDER_RATE_LIMIT = "1/d"
    assert place(api).status_code == 200
    assert place(api).status_code == 429
    assert place(client_of(user)).status_code == 200


def test_a_lifted_limit_neither_counts_nor_answers_headers(api: APIClient, settings: Any) -> None:
    settings.ORDER_RATE_LIMIT = None
    answer = place_batch(api, *[ORDER] * 50)
    assert answer.status_code == 200
    assert "X-OrderLimit-Limit" not in answer


def test_a_refusal_is_counted_by_its_scope(api: APIClient, settings: Any) -> None:
    settings.ORDER_RATE_LIMIT = "0/d"
    before = counted("rate_limit_hits_total", scope="orders")
    place(api)
    place_batch(api, ORDER)
    assert counted("rate_limit_hits_total", scope="orders") == before + 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_batches_do_not_slip_through(
    user: User, client_of: Callable[[User], APIClient], settings: Any
) -> None:
    """Each is counted whole or not at all, and what they leave is left for others."""
    settings.ORDER_RATE_LIMIT = "50/d"
    holder, start = client_of(user), threading.Barrier(4)
    statuses: Counter[tuple[int, int]] = Counter()

    def hammer(size: int) -> None:
        client = APIClient()
        client.credentials(**holder._credentials)
        start.wait()
        for _ in range(15):
            statuses[size, place_batch(client, *[{**ORDER, "size": "x"}] * size).status_code] += 1
        connection.close()

    threads = [threading.Thread(target=hammer, args=[size]) for size in (1, 3, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = sum(size * count for (size, status), count in statuses.items() if status == 200)
    assert {status for _, status in statuses} == {200, 429}
    left = [place(holder, size="x").status_code for _ in range(51 - taken)]
    assert left == [400] * (50 - taken) + [429]
