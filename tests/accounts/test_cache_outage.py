"""Without Redis requests go on, at once and uncounted; with it back they are counted again."""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from prometheus_client import REGISTRY
from pytest_django import Settings

from accounts import rate_limits
from accounts.counting import CountingCache
from accounts.models import AccountPolicy
from tests.accounts.redis_relay import RedisRelay
from tests.conftest import ApiClient

#: Seconds; far more than production waits, so that a busy machine does not look like an outage.
PATIENCE = 0.5

Use = Callable[[str], None]


@pytest.fixture
def use_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Point the cache at another address and forget what this process thinks of the old one."""

    def use(url: str) -> None:
        monkeypatch.setattr(rate_limits, "watch", rate_limits.OutageWatch())
        options = {**settings.CACHES["default"]["OPTIONS"], "SOCKET_TIMEOUT": PATIENCE}
        cache = {**settings.CACHES["default"], "LOCATION": url, "OPTIONS": options}
        settings.CACHES = {"default": cache}
        # No window ends within a test.
        settings.API_RATE_LIMIT = "100/d"

    return use


@pytest.fixture
def relay(settings: Settings, use_redis: Use) -> Iterator[RedisRelay]:
    relay = RedisRelay(settings.REDIS_URL)
    use_redis(relay.url)
    yield relay
    relay.close()


def outages() -> float:
    return REGISTRY.get_sample_value("cache_outages_total") or 0.0


def is_counted(answer: HttpResponse) -> bool:
    return "X-RateLimit-Remaining" in answer


def timed(api: ApiClient) -> tuple[HttpResponse, float]:
    started = time.perf_counter()
    answer = api.get("/positions")
    return answer, time.perf_counter() - started


def test_a_refusing_redis_lets_requests_pass_and_is_counted(api: ApiClient, use_redis: Use) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    use_redis(f"redis://127.0.0.1:{port}/0")
    before = outages()
    answers = [api.get("/positions") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert not any(is_counted(answer) for answer in answers)
    assert outages() - before == 5


def test_orders_pass_uncounted_too_and_each_request_is_counted_once(
    api: ApiClient, relay: RedisRelay, settings: Settings
) -> None:
    settings.ORDER_RATE_LIMIT = "2/d"
    order = {"symbol": "NOSUCH", "side": "buy", "size": "1"}
    assert api.post("/orders", order)["X-OrderLimit-Remaining"] == "1"
    relay.hang()
    before = outages()
    answers = [api.post("/orders/batch", {"orders": [order] * 3}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert not any("X-OrderLimit-Limit" in answer for answer in answers)
    assert outages() - before == 3
    relay.resume()
    rate_limits.watch.next_probe = 0.0
    assert api.post("/orders/batch", {"orders": [order] * 3}).status_code == 429


def test_a_hanging_redis_costs_few_requests_a_bounded_wait_and_the_others_none(
    api: ApiClient,
    relay: RedisRelay,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told once, and when Redis is back, requests are counted again."""
    first = api.get("/positions")
    assert is_counted(first)
    relay.hang()
    seconds = []
    for number in range(1, 21):
        answer, elapsed = timed(api)
        assert answer.status_code == 200
        assert not is_counted(answer)
        seconds.append(elapsed)
        if number <= rate_limits.FAILURES_OF_AN_OUTAGE:
            assert relay.connections <= 1 + number  # one for each question
    assert statistics.median(seconds) < PATIENCE
    assert relay.connections <= 1 + rate_limits.FAILURES_OF_AN_OUTAGE + sum(seconds)
    away = [record.msg for record in caplog.records if record.msg["event"] == "cache_away"]
    assert [event["reason"] for event in away] == ["TimeoutError"]
    relay.resume()
    monkeypatch.setattr(rate_limits.watch, "next_probe", 0.0)
    # Requests that Redis took in while it hung may be in the count, the answered ones must be.
    assert (
        0
        < int(api.get("/positions")["X-RateLimit-Remaining"])
        < int(first["X-RateLimit-Remaining"])
    )


def test_a_request_and_its_orders_are_counted_in_one_round_trip(
    api: ApiClient, relay: RedisRelay, anonymous: ApiClient
) -> None:
    order = {"symbol": "NOSUCH", "side": "buy", "size": "1"}
    calls: list[tuple[Callable[[], HttpResponse], int]] = [
        (lambda: api.get("/positions"), 1),
        (lambda: api.post("/orders", order), 1),
        (lambda: api.post("/positions/NOSUCH/close"), 1),
        # How many orders a batch has is known once its body is read.
        (lambda: api.post("/orders/batch", {"orders": [order] * 3}), 2),
        # By address, whose windows never slide.
        (lambda: anonymous.post("/auth/token", {"api_key": "guess"}), 1),
    ]
    redis = cast(CountingCache, cache).client.get_client()
    for slides in (False, True):
        AccountPolicy.objects.update(sliding_limits=slides)
        # As by a server that has begun anew, which is told how to count at once.
        redis.script_flush()
        assert is_counted(api.get("/positions"))
        for call, expected in calls[:-1] if slides else calls:
            before = relay.questions
            assert is_counted(call())
            assert relay.questions - before == expected


def test_one_slow_answer_is_no_outage_and_the_limit_holds_after_it(
    api: ApiClient, relay: RedisRelay, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "1/d"
    assert api.get("/positions").status_code == 200
    relay.hang()
    slow = api.get("/positions")
    assert (slow.status_code, is_counted(slow)) == (200, False)
    relay.resume()
    after = api.get("/positions")
    assert (after.status_code, is_counted(after)) == (429, True)
