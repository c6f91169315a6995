"""Controls of orders over HTTP: what is at a limit is accepted, one step beyond is refused."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.models import User
from market.models import Instrument
from risk.models import LeverageLimit, RiskPolicy
from tests.conftest import ClientOf
from tests.trading.conftest import Marks, Trader
from trading.models import Order


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("100000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def place(api: APIClient, size: str = "0.1", **changes: Any) -> str | None:
    """Order at 65,000 and return the code of the denial, if any."""
    body = {"symbol": "BTCUSDT", "side": "buy", "size": size, **changes}
    answer = api.post("/orders", json.dumps(body), content_type="application/json").json()
    return answer.get("code")


def limit(price: str) -> dict[str, str]:
    return {"type": "limit", "price": price}


def of_tier(**values: object) -> None:
    LeverageLimit.objects.filter(tier="beginner").update(**values)


def rules(api: APIClient) -> Any:
    listed = api.get("/market/instruments").json()["results"]
    return next(one for one in listed if one["symbol"] == "BTCUSDT")


def test_the_largest_value_of_an_order_is_that_of_the_tier(api: APIClient) -> None:
    of_tier(max_order_value=6_500)
    LeverageLimit.objects.exclude(tier="beginner").update(max_order_value=1)
    assert place(api) is None
    assert place(api, "0.10001") == "order_value_exceeded"
    assert place(api, **limit("32500"), size="0.2") is None
    assert place(api, **limit("32500.01"), size="0.2") == "order_value_exceeded"
    told = api.get("/account/limits").json()
    assert told["max_order_value"] == "6500.00000000"


def test_the_largest_value_and_size_of_an_order_are_those_of_the_instrument(
    api: APIClient,
) -> None:
    of_tier(max_order_value=10_000)
    assert "max_order_value" not in rules(api)
    Instrument.objects.update(max_order_value=6_500)
    assert place(api) is None
    assert place(api, "0.10001") == "order_value_exceeded"
    Instrument.objects.update(max_order_size="0.05")
    assert place(api, "0.05") is None
    assert place(api, "0.05001") == "order_value_exceeded"
    told = rules(api)
    assert (told["max_order_size"], told["max_order_value"]) == ("0.05000000", "6500.00000000")


def test_a_limit_that_is_set_later_keeps_nobody_in_a_position(api: APIClient) -> None:
    place(api, "0.3")
    of_tier(max_order_value=1)
    assert place(api, "0.1", side="sell") is None
    assert place(api, "0.1", side="sell", reduce_only=True) is None
    assert place(api, "0.10001", side="sell") == "order_value_exceeded"
    assert place(api, "0.1", side="sell", **limit("70000")) == "order_value_exceeded"
    assert place(api, "0.5", side="sell", **limit("70000"), reduce_only=True) is None
    assert api.post("/positions/BTCUSDT/close").status_code == 200


def test_a_limit_price_is_within_the_band_of_the_mark(api: APIClient) -> None:
    """Five percent of 65,000, on both sides, and of what only reduces too."""
    place(api)
    RiskPolicy.objects.update(price_band="0.05")
    for price, code in [
        ("61750", None),
        ("61749.99", "price_out_of_band"),
        ("68250", None),
        ("68250.01", "price_out_of_band"),
    ]:
        assert place(api, **limit(price)) == code
        assert place(api, side="sell", reduce_only=True, **limit(price)) == code
    assert place(api) is None


START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def later(market: object, marks: Marks) -> Iterator[Callable[[float], None]]:
    """Let so many seconds pass, on a clock that stands still otherwise; stands before tokens."""
    with time_machine.travel(START, tick=False) as clock:
        marks(BTCUSDT="65000", ETHUSDT="3200")
        yield lambda seconds: clock.shift(timedelta(seconds=seconds))


def test_the_value_a_minute_is_that_of_any_sixty_seconds(
    later: Callable[[float], None], api: APIClient
) -> None:
    """13,000 USDT are two orders of 0.1."""
    of_tier(max_minute_value=13_000)
    assert place(api) is None
    later(30)
    assert place(api, "0.10001") == "order_volume_exceeded"
    assert place(api) is None
    assert place(api, "0.00008") == "order_volume_exceeded"
    later(29.999999)
    assert place(api, "0.00008") == "order_volume_exceeded"
    later(0.000001)
    assert place(api, "0.10001") == "order_volume_exceeded"
    assert place(api, "0.1", **limit("60000")) is None
    later(29.999999)
    assert place(api, "0.01") == "order_volume_exceeded"
    later(0.000001)
    assert place(api, "0.1") is None


def test_a_clock_that_is_ahead_hides_nothing_that_was_sent(
    later: Callable[[float], None], api: APIClient
) -> None:
    """Web processes have clocks of their own."""
    of_tier(max_minute_value=13_000)
    later(5)
    assert place(api, "0.01") is None
    later(-5)
    assert place(api, "0.1") is None
    assert place(api, "0.09") is None
    assert place(api, "0.01") == "order_volume_exceeded"


def test_what_only_reduces_is_neither_held_to_the_value_a_minute_nor_counted(
    later: Callable[[float], None], api: APIClient
) -> None:
    place(api, "0.3")
    of_tier(max_minute_value=6_500)
    assert place(api, side="sell") is None
    assert place(api) is None
    assert place(api, "0.2", side="sell") is None
    assert place(api, "0.2", side="sell") == "order_volume_exceeded"
    assert api.post("/positions/BTCUSDT/close").status_code == 200
    later(60)
    assert place(api) is None


def test_an_equal_order_is_refused_for_some_seconds(
    later: Callable[[float], None], api: APIClient
) -> None:
    RiskPolicy.objects.update(duplicate_seconds=5)
    assert place(api) is None
    later(4.999999)
    assert place(api, "0.10") == "duplicate_order"
    later(0.000001)
    assert place(api) is None
    for other in (limit("60000"), limit("60000.01"), {"side": "sell"}, {"symbol": "ETHUSDT"}):
        assert place(api, **other) is None
    assert place(api, **limit("60000.00")) == "duplicate_order"
    assert place(api, "0.09") is None


def test_a_repeated_name_is_answered_again_and_a_refused_order_may_be_sent_again(
    later: Callable[[float], None], api: APIClient
) -> None:
    RiskPolicy.objects.update(duplicate_seconds=5, trading_halted=True)
    assert place(api) == "trading_halted"
    RiskPolicy.objects.update(trading_halted=False)
    assert place(api, client_order_id="a") is None
    assert place(api, client_order_id="a") is None
    assert place(api, client_order_id="b") == "duplicate_order"
    assert Order.objects.count() == 3


def test_a_close_that_is_sent_twice_opens_nothing(
    later: Callable[[float], None], api: APIClient
) -> None:
    """Parts of a position may be closed by equal orders; the one that would turn it is refused."""
    place(api, "0.2")
    RiskPolicy.objects.update(duplicate_seconds=5)
    codes = [place(api, side="sell") for _ in range(3)]
    assert codes == [None, None, "duplicate_order"]


def test_of_a_batch_each_order_sees_those_before_it(
    later: Callable[[float], None], api: APIClient
) -> None:
    RiskPolicy.objects.update(duplicate_seconds=5)
    of_tier(max_minute_value=13_000)
    orders = [
        {"symbol": "BTCUSDT", "side": "buy", "size": size}
        for size in ("0.1", "0.1", "0.09", "0.02", "0.01")
    ]
    answer = api.post(
        "/orders/batch", json.dumps({"orders": orders}), content_type="application/json"
    )
    codes = [one.get("code") for one in answer.json()["results"]]
    assert codes == [None, "duplicate_order", None, "order_volume_exceeded", None]
