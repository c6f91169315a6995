"""The rate limits are exact, per key and per address, and every counted answer says where it is."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from pytest_django import Settings

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import User
from tests.conftest import ApiClient, ClientOf

#: What a key may ask for at little cost.
CALL = "/market/ready"


def stopped_clock() -> time_machine.travel:
    """Let the window stand still."""
    return time_machine.travel(datetime.now(UTC), tick=False)


def test_the_limit_is_exact_and_every_answer_says_where_it_stands(
    api: ApiClient, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "12/m"
    with stopped_clock():
        answers = [api.get(CALL) for _ in range(14)]
        now = int(time.time())
    assert [answer.status_code for answer in answers] == [200] * 12 + [429] * 2
    assert {answer["X-RateLimit-Limit"] for answer in answers} == {"12"}
    remaining = [int(answer["X-RateLimit-Remaining"]) for answer in answers]
    assert remaining == [*range(11, -1, -1), 0, 0]
    [reset] = {int(answer["X-RateLimit-Reset"]) for answer in answers}
    seconds_left = reset - now
    assert 0 < seconds_left <= 60
    refused = answers[-1]
    assert refused["Retry-After"] == str(seconds_left)
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["retry_after"] == seconds_left


def test_the_window_ends_when_the_headers_say(api: ApiClient, settings: Settings) -> None:
    settings.API_RATE_LIMIT = "2/m"
    with stopped_clock() as clock:
        reset = [api.get(CALL) for _ in range(3)][-1]["X-RateLimit-Reset"]
        clock.move_to(datetime.fromtimestamp(int(reset), UTC) - timedelta(milliseconds=1))
        refused = api.get(CALL)
        assert (refused.status_code, refused["Retry-After"]) == (429, "1")
        clock.move_to(datetime.fromtimestamp(int(reset), UTC))
        assert api.get(CALL).status_code == 200


def test_a_key_is_counted_over_all_its_tokens_and_apart_from_other_keys(
    user: User, client_of: ClientOf, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "3/h"
    api_key, _ = issue_api_key(reason="A test", user=user)
    two_tokens = [ApiClient(), ApiClient()]
    for client in two_tokens:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(api_key)}")
    statuses = [two_tokens[turn % 2].get(CALL).status_code for turn in range(4)]
    assert statuses == [200, 200, 200, 429]
    assert client_of(user).get(CALL).status_code == 200


def test_a_lifted_limit_neither_counts_nor_answers_headers(
    api: ApiClient, settings: Settings
) -> None:
    usual = settings.API_RATE_LIMIT
    settings.API_RATE_LIMIT = None
    answers = [api.get(CALL) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("X-RateLimit-Limit" in answer for answer in answers)
    settings.API_RATE_LIMIT = usual
    counted = api.get(CALL)
    assert (counted["X-RateLimit-Limit"], counted["X-RateLimit-Remaining"]) == ("100", "99")


def test_open_and_refused_calls_are_not_counted(anonymous: ApiClient) -> None:
    for path in ("/health", "/metrics", "/kpi/security", "/nowhere"):
        assert "X-RateLimit-Limit" not in anonymous.get(path)


def test_tokens_are_limited_by_the_address_of_the_connection(anonymous: ApiClient) -> None:
    def ask(address: str, claimed: str) -> int:
        return anonymous.post(
            "/auth/token",
            {"api_key": "guess"},
            REMOTE_ADDR=address,
            HTTP_X_FORWARDED_FOR=claimed,
        ).status_code

    with stopped_clock():
        statuses = [ask("10.0.0.1", f"10.9.9.{claim}") for claim in range(11)]
        assert statuses == [401] * 10 + [429]
        assert ask("10.0.0.2", "10.0.0.1") == 401


def test_a_bad_body_counts_towards_the_token_limit(anonymous: ApiClient) -> None:
    with stopped_clock():
        answer = anonymous.post("/auth/token", {})
        assert (answer.status_code, answer["X-RateLimit-Remaining"]) == (400, "9")


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_do_not_slip_through(user: User, client_of: ClientOf) -> None:
    statuses: Counter[int] = Counter()
    start = threading.Barrier(4)
    token_holder = client_of(user)

    def hammer() -> None:
        client = ApiClient()
        client.credentials(**token_holder._credentials)
        start.wait()
        for _ in range(10):
            statuses[client.get(CALL).status_code] += 1
        connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.API_RATE_LIMIT", "25/d")
        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == {200: 25, 429: 15}
