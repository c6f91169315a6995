"""What events say, where the API's own tests do not say it already."""

import json
from datetime import UTC, datetime

import pytest

from kpi.stream.journal import head, read_page
from kpi.stream.rendering import render
from market.models import MarketClock
from tests.console import D
from trading.steps.by_hand import step_at_prices

pytestmark = pytest.mark.django_db(transaction=True)

CANDLE = datetime(2025, 1, 1, 0, 1, tzinfo=UTC)


def marks_told(price: str, market_time: datetime | None) -> list[dict[str, object]]:
    since = head()
    step_at_prices({"BTCUSDT": D(price)}, market_time=market_time)
    frames = render(read_page(since).events)
    return [json.loads(frame.split(b"data: ")[1]) for frame in frames if b"event: mark" in frame]


def test_a_mark_names_its_step_and_the_candle_that_was_replayed(demo: None) -> None:
    [told] = marks_told("65000", CANDLE)
    assert (told["symbol"], told["market_time"]) == ("BTCUSDT", "2025-01-01T00:01:00Z")
    assert told["step"] == MarketClock.objects.get(id=1).steps
    [told] = marks_told("65001", None)
    assert "market_time" not in told
    assert told["step"] == MarketClock.objects.get(id=1).steps
