"""A call may count as several requests; whatever it weighs, no more than the limit pass."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.errors import InvalidWeights, WeightAboveLimit
from accounts.models import AccountPolicy, KeyScopes, RateLimit
from accounts.policy import change_account_policy, change_rate_limit
from accounts.weights import checked_weights, weights_of
from tests.conftest import ApiClient
from tests.each import each

START = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
CALL, HEAVY = "/market/ready", "/positions"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def weigh(text: str, **changes: Any) -> None:
    asked = {"request_weights": text, **changes}
    change_account_policy(policy=AccountPolicy.objects.get(), changes=asked, reason="A test")


def limit(requests: int | None) -> None:
    row = RateLimit.objects.get(tier="beginner", scopes=KeyScopes.READ_TRADE)
    change_rate_limit(limit=row, changes={"requests_per_minute": requests}, reason="A test")


def left(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer["X-RateLimit-Remaining"]


@pytest.mark.parametrize("slides", [False, True])
def test_a_call_counts_as_its_weight_and_is_refused_whole(
    clock: time_machine.Traveller, api: ApiClient, slides: bool
) -> None:
    limit(10)
    weigh(f"GET {HEAVY}: 4", sliding_limits=slides)
    assert [left(api.get(path)) for path in (CALL, HEAVY, HEAVY)] == [
        (200, "9"),
        (200, "5"),
        (200, "1"),
    ]
    refused = api.get(HEAVY)
    assert left(refused) == (429, "1")
    assert "1 of 10 requests are left" in refused.json()["detail"]
    assert refused["Retry-After"] == str(refused.json()["retry_after"])
    # It counted for nothing, so that what weighs less still passes.
    assert left(api.get(CALL)) == (200, "0")
    again = api.get(CALL)
    assert left(again) == (429, "0")
    assert "throttled" in again.json()["detail"]
    weigh("")
    assert left(api.get(HEAVY)) == (429, "0")


def test_a_path_with_parameters_and_head_weigh_as_they_are_named(
    clock: time_machine.Traveller, api: ApiClient
) -> None:
    weigh("GET /orders/{order_id}: 7, POST /orders: 3, GET /orders: 2")
    assert left(api.get("/orders/1")) == (404, "93")
    assert left(api.get("/orders")) == (200, "91")
    assert left(api.head("/orders")) == (200, "89")
    assert left(api.post("/orders", {})) == (400, "86")
    assert left(api.options("/orders")) == (200, "85")


def test_no_minute_bears_more_than_the_limit_whatever_calls_weigh(
    clock: time_machine.Traveller, api: ApiClient
) -> None:
    """160 requests in bursts, light and heavy ones mixed, over the edges of windows."""
    limit(20)
    weigh(f"GET {HEAVY}: 7", sliding_limits=True)
    chance, passed = random.Random(7), []
    moment = START
    for burst in range(8):
        for _ in range(20):
            path, weight = chance.choice([(CALL, 1), (HEAVY, 7)])
            clock.move_to(moment)
            if api.get(path).status_code == 200:
                passed.append((moment, weight))
            moment += timedelta(milliseconds=chance.randrange(20))
        moment += timedelta(seconds=chance.choice([1, 28, 59]), milliseconds=burst)
    most = max(
        sum(weight for other, weight in passed if one <= other <= one + MINUTE) for one, _ in passed
    )
    assert most <= 20 < sum(weight for _, weight in passed)
    assert {weight for _, weight in passed} == {1, 7}


def test_what_calls_weigh_is_told_and_read_with_the_key(api: ApiClient) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(CALL).status_code == 200
        return len(captured)

    before = statements()
    assert "request_weights" not in api.get("/account/limits").json()
    weigh(f"GET {HEAVY}: 4")
    assert statements() == before
    assert api.get("/account/limits").json()["request_weights"] == {f"GET {HEAVY}": 4}


def test_a_weight_above_a_limit_is_refused_from_either_side(db: None, settings: Settings) -> None:
    limit(5)
    with pytest.raises(WeightAboveLimit):
        weigh(f"GET {CALL}: 6")
    weigh(f"GET {CALL}: 5")
    with pytest.raises(WeightAboveLimit):
        limit(4)
    limit(None)
    weigh(f"GET {CALL}: 100")
    settings.API_RATE_LIMIT = "60/m"
    with pytest.raises(WeightAboveLimit):
        weigh(f"GET {CALL}: 61")
    limit(200)
    with pytest.raises(WeightAboveLimit):
        limit(None)
    settings.API_RATE_LIMIT = None
    limit(None)


@pytest.mark.parametrize("slides", [False, True])
def test_a_call_that_weighs_more_than_a_setting_lowered_since_is_told_that_it_never_passes(
    clock: time_machine.Traveller, api: ApiClient, settings: Settings, slides: bool
) -> None:
    limit(None)
    weigh(f"GET {HEAVY}: 30", sliding_limits=slides)
    settings.API_RATE_LIMIT = "20/m"
    told = (
        "This call counts as 30 requests, of which at most 20 are allowed at once: it never "
        "passes until staff change either."
    )
    assert [api.get(CALL).status_code for _ in range(5)] == [200] * 5
    refused = api.get(HEAVY)
    assert (left(refused), refused.json()["detail"]) == ((429, "15"), told)
    assert [api.get(CALL).status_code for _ in range(16)] == [200] * 15 + [429]
    assert api.get(HEAVY).json()["detail"] == told


@each(
    ("written", "kept"),
    [
        ("", ""),
        ("GET /a: 1", ""),
        (" POST  /b :3,\nGET /a: 02\r\n", "GET /a: 2, POST /b: 3"),
        ("GET /a: 100", "GET /a: 100"),
    ],
)
def test_weights_are_kept_in_one_form(written: str, kept: str) -> None:
    found = checked_weights(written, calls=["GET /a", "POST /b"])
    assert found == kept
    assert checked_weights(found, calls=["GET /a", "POST /b"]) == kept
    assert ", ".join(f"{call}: {weight}" for call, weight in weights_of(kept).items()) == kept


@each(
    "written",
    [
        "GET /a",
        "GET /a: 0",
        "GET /a: 101",
        "GET /a: -1",
        "GET /a: 1.5",
        "GET /a: ٣",
        "GET /a: 2, GET /a: 3",
        "GET /nowhere: 2",
        "get /a: 2",
        ": 2",
        "GET /a: 1000000000000",
    ],
)
def test_what_is_no_weight_is_refused(written: str) -> None:
    with pytest.raises(InvalidWeights):
        checked_weights(written, calls=["GET /a", "POST /b"])


def test_calls_that_no_key_makes_have_no_weight(db: None) -> None:
    for call in ("POST /auth/token", "GET /health", "GET /metrics", "GET /admin/"):
        with pytest.raises(InvalidWeights):
            weigh(f"{call}: 2")
