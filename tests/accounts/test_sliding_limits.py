"""Where the account policy lets limits slide, no span of time holds more than the limit."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import AccountPolicy, User
from accounts.policy import change_account_policy
from accounts.rate_limits import Allowance, take
from accounts.rates import Rate
from exchange_poc.stream.audience import Entrance, Places
from kpi.stream.api import STREAMS, StreamView
from kpi.stream.tickets import Ticket, signed
from tests.conftest import ApiClient

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
LEAST = timedelta(microseconds=1)
START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
#: A call that reads little.
CALL = "/market/ready"
numbers = count()


def let_limits_slide(slides: bool = True) -> None:
    policy = AccountPolicy.objects.get()
    change_account_policy(reason="A test", policy=policy, changes={"sliding_limits": slides})


def most_in(instants: Sequence[datetime], span: timedelta) -> int:
    """Return how many of them lie in any span of a length, both its ends included."""
    return max(sum(one <= other <= one + span for other in instants) for one in instants)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def test_bursts_over_window_edges_never_pass_more_than_the_limit_in_a_minute(
    clock: time_machine.Traveller, user: User, settings: Settings
) -> None:
    def passed(limit: int) -> list[datetime]:
        """Return when requests pass of four bursts of the limit, two about a window's edge."""
        settings.API_RATE_LIMIT = f"{limit}/m"
        clock.move_to(START)
        key, _ = issue_api_key(user=user, reason="A test")
        client = ApiClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(key)}")
        end = Rate.read("100/m").window_end(key=str(key.pk), now=int(START.timestamp()))
        found = []
        for since_edge in (-0.5, 0.5, 59.4, 59.6):
            moment = datetime.fromtimestamp(end + since_edge, UTC)
            clock.move_to(moment)
            found += [moment for _ in range(limit) if client.get(CALL).status_code == 200]
        return found

    fixed = passed(10)
    assert (len(fixed), most_in(fixed, MINUTE)) == (20, 20)
    let_limits_slide()
    sliding = passed(20)
    assert (len(sliding), most_in(sliding, MINUTE)) == (40, 20)


@given(st.lists(st.tuples(st.integers(0, 12_000_000), st.integers(0, 4)), min_size=1, max_size=20))
def test_what_passes_is_what_a_list_of_all_that_passed_says(asked: list[tuple[int, int]]) -> None:
    """Instants are stated, in microseconds, and counted in a Valkey that runs."""
    key, passed, moment = f"given-{next(numbers)}", [], START
    with time_machine.travel(START, tick=False) as clock:
        for gap, units in asked:
            moment += gap * LEAST
            clock.move_to(moment)
            held = [one for one in passed if one >= moment - 10 * SECOND]
            allowed = [Allowance("test", "5/10s")]
            told = take(
                request=HttpRequest(), key=key, allowances=allowed, units=units, slides=True
            )
            assert told is not None
            [usage] = told
            assert usage.is_exceeded is (len(held) + units > 5)
            if usage.is_exceeded:
                later = [one for one in held if one >= moment + SECOND * (usage.retry_after - 10)]
                assert len(later) + units <= 5
            else:
                passed += [moment] * units
                held += [moment] * units
            assert (usage.count, usage.remaining) == (len(held), 5 - len(held))
            reset = datetime.fromtimestamp(usage.reset, UTC)
            assert all(one + 10 * SECOND < reset for one in held)
    assert not passed or most_in(passed, 10 * SECOND) <= 5


def test_headers_say_when_what_is_left_comes_back(
    clock: time_machine.Traveller, api: ApiClient, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "2/m"
    let_limits_slide()

    def told(since_start: timedelta) -> tuple[int, ...]:
        clock.move_to(START + since_start)
        answer = api.get(CALL)
        reset = int(answer["X-RateLimit-Reset"]) - int(START.timestamp())
        remaining = int(answer["X-RateLimit-Remaining"])
        assert answer["X-RateLimit-Limit"] == "2"
        return answer.status_code, remaining, reset, int(answer.get("Retry-After", 0))

    assert told(timedelta(0)) == (200, 1, 61, 0)
    assert told(20 * SECOND) == (200, 0, 81, 0)
    assert told(30 * SECOND) == (429, 0, 81, 31)
    assert told(60 * SECOND) == (429, 0, 81, 1)
    assert told(60 * SECOND + LEAST) == (200, 0, 121, 0)
    assert told(121 * SECOND) == (200, 1, 182, 0)
    # A process whose clock is behind counts with those that are not, and no count lives longer
    # than five seconds more than the minute.
    assert told(100 * SECOND) == (200, 0, 166, 0)
    assert told(110 * SECOND) == (429, 0, 176, 65)
    assert told(-60 * MINUTE) == (429, 0, 66 - 3600, 65)


def test_a_refused_request_passes_when_it_was_told_to_come_back_and_no_second_sooner(
    clock: time_machine.Traveller, api: ApiClient, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "3/m"
    let_limits_slide()
    moment = START
    for pause in (0, 0.3, 17.9, 1, 24.7, 0.1, 0, 59.9):
        moment += pause * SECOND
        clock.move_to(moment)
        while (answer := api.get(CALL)).status_code == 200:
            moment += 0.4 * SECOND
            clock.move_to(moment)
        moment += int(answer["Retry-After"]) * SECOND
        clock.move_to(moment - SECOND)
        assert api.get(CALL).status_code == 429
        clock.move_to(moment)
        assert api.get(CALL).status_code == 200


def test_redis_keeps_no_more_than_what_counts_and_not_for_longer(
    clock: time_machine.Traveller, api: ApiClient, settings: Settings
) -> None:
    settings.API_RATE_LIMIT = "5/m"
    let_limits_slide()

    def kept(since_start: timedelta, requests: int) -> int:
        clock.move_to(START + since_start)
        for _ in range(requests):
            api.get(CALL)
        [name] = cache.iter_keys("rl:sliding:*")
        assert MINUTE.total_seconds() <= cache.ttl(name) <= MINUTE.total_seconds() + 5
        return int(cache.client.get_client().llen(cache.client.make_key(name)))

    assert kept(timedelta(0), 3) == 3
    # What is refused is not kept, however much of it there is.
    assert kept(30 * SECOND, 12) == 5
    # The first three have left, the others not yet; then those too.
    assert kept(61 * SECOND, 1) == 3
    assert kept(10 * MINUTE, 1) == 1


def test_stream_and_other_calls_share_what_a_key_has(
    clock: time_machine.Traveller, user: User, settings: Settings
) -> None:
    """A ticket leads to the stream as its key does, so that it is no second allowance."""
    settings.API_RATE_LIMIT = "3/m"
    let_limits_slide()
    key, _ = issue_api_key(user=user, reason="A test")
    client = ApiClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(key)}")
    ticket = Ticket(key.pk, user.pk, "marks", "", time.time() + 600, "http://testserver")

    def calls() -> tuple[int, ...]:
        asked = RequestFactory().get("/stream", {"channels": "marks", "ticket": signed(ticket)})
        asked.META[STREAMS] = Entrance(Places())
        return client.get(CALL).status_code, StreamView.as_view()(asked).status_code

    assert [calls(), calls()] == [(200, 200), (200, 429)]


def test_orders_slide_too_and_a_batch_as_a_whole(
    clock: time_machine.Traveller, api: ApiClient, settings: Settings
) -> None:
    settings.ORDER_RATE_LIMIT = "10/m"
    let_limits_slide()
    order = {"symbol": "NONE", "side": "buy", "size": "1"}

    def told(orders: int, since_start: timedelta) -> tuple[int, str, str | None]:
        clock.move_to(START + since_start)
        answer = api.post("/orders/batch", {"orders": [order] * orders})
        return answer.status_code, answer["X-OrderLimit-Remaining"], answer.get("Retry-After")

    assert told(7, timedelta(0)) == (200, "3", None)
    assert told(4, 10 * SECOND) == (429, "3", "51")
    assert told(3, 10 * SECOND) == (200, "0", None)
    assert told(11, 10 * SECOND) == (429, "0", "61")
    assert told(8, 60 * SECOND + LEAST) == (429, "7", "10")
    assert told(7, 60 * SECOND + LEAST) == (200, "0", None)


def test_the_switch_costs_no_statement_and_leaves_tokens_alone(
    clock: time_machine.Traveller, api: ApiClient, anonymous: ApiClient
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(CALL).status_code == 200
        return len(captured)

    before = statements()
    let_limits_slide()
    assert statements() == before
    statuses = [anonymous.post("/auth/token", {"api_key": "x"}).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
