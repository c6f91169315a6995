"""Prices, candles and instruments over HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.utils import timezone
from pytest_django import Settings

from market.models import Instrument
from market.services import list_instrument
from tests.conftest import ApiClient
from tests.each import each
from tests.market.conftest import mark


def rows(api: ApiClient, path: str) -> list[Any]:
    """Return the rows of a list that is one page."""
    page = api.get(path).json()
    assert (page.pop("next"), page.pop("previous"), set(page)) == (None, None, {"results"})
    return list(page["results"])


def test_price(api: ApiClient, btc: Instrument) -> None:
    assert api.get("/market/price/BTCUSDT").json()["code"] == "no_price"
    mark(btc, "65000")
    answer = api.get("/market/price/btcUSDT").json()
    assert answer == {
        "symbol": "BTCUSDT",
        "price": "65000.00000000",
        "timestamp": answer["timestamp"],
        "source": "simulation",
    }
    assert answer["timestamp"].endswith("Z")
    whole = {"next": None, "previous": None, "results": [answer]}
    assert api.get("/market/prices").json() == whole


@each("symbol", ["NOSUCH", "BTC%00", "%F0%9F%92%A9", "x" * 500])
def test_an_unknown_symbol_is_not_found(api: ApiClient, btc: Instrument, symbol: str) -> None:
    for path in ("price", "candles"):
        answer = api.get(f"/market/{path}/{symbol}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_symbol")


def test_without_a_token_nothing_is_told(anonymous: ApiClient, btc: Instrument) -> None:
    for path in ("prices", "price/BTCUSDT", "candles/BTCUSDT", "instruments"):
        assert anonymous.get(f"/market/{path}").status_code == 401


def test_the_time_is_open_and_not_limited(anonymous: ApiClient, settings: Settings) -> None:
    settings.API_RATE_LIMIT = settings.TOKEN_RATE_LIMIT = "1/m"
    with time_machine.travel(datetime(2026, 1, 5, 12, 0, 0, 250_999, tzinfo=UTC), tick=False):
        for _ in range(3):
            answer = anonymous.get("/time")
            assert answer.json() == {
                "time": "2026-01-05T12:00:00.250999Z",
                "epoch_ms": 1767614400250,
            }
    assert answer["Cache-Control"] == "no-store"
    assert "X-RateLimit-Limit" not in answer
    # Nor does it read a token, which may be the one that has expired.
    assert anonymous.get("/time", headers={"Authorization": "Bearer stale"}).status_code == 200


def test_candles_are_made_of_ticks(api: ApiClient, btc: Instrument) -> None:
    start = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    for seconds, price in ((0, "100"), (10, "120"), (20, "90"), (30, "110"), (120, "115")):
        mark(btc, price, start + timedelta(seconds=seconds))
    first, second = rows(api, "/market/candles/btcusdt?interval=1m")
    assert first == {
        "open_time": start.isoformat().replace("+00:00", "Z"),
        "open": "100.00000000",
        "high": "120.00000000",
        "low": "90.00000000",
        "close": "110.00000000",
        "ticks": 4,
        "volume": "0.00000000",
    }
    assert second["close"] == "115.00000000"
    assert rows(api, "/market/candles/BTCUSDT?limit=2") == [second]


@each(
    ("interval", "opens"),
    [
        ("1m", "2026-01-05T12:34:00Z"),
        ("5m", "2026-01-05T12:30:00Z"),
        ("15m", "2026-01-05T12:30:00Z"),
        ("1h", "2026-01-05T12:00:00Z"),
        ("1d", "2026-01-05T00:00:00Z"),
    ],
)
def test_candles_open_on_the_interval_however_long_ago(
    api: ApiClient, btc: Instrument, interval: str, opens: str
) -> None:
    mark(btc, "100", datetime(2026, 1, 5, 12, 34, 56, tzinfo=UTC))
    [candle] = rows(api, f"/market/candles/BTCUSDT?interval={interval}&limit=1")
    assert candle["open_time"] == opens


def test_a_candle_opens_and_closes_in_the_order_of_the_steps(
    api: ApiClient, btc: Instrument
) -> None:
    second = datetime(2026, 1, 5, 12, 0, 1, tzinfo=UTC)
    for price in ("100", "90", "120", "110"):
        mark(btc, price, second)
    [candle] = rows(api, "/market/candles/BTCUSDT")
    assert (candle["open"], candle["close"]) == ("100.00000000", "110.00000000")


def test_an_instrument_without_a_price_has_no_candles(api: ApiClient, btc: Instrument) -> None:
    assert rows(api, "/market/candles/BTCUSDT") == []


def test_candles_are_those_of_one_instrument(api: ApiClient, btc: Instrument) -> None:
    other = list_instrument(
        reason="A test",
        symbol="ETHUSDT",
        base_asset="ETH",
        tick_size=Decimal(1),
        lot_size=Decimal(1),
    )
    mark(btc, "100")
    mark(other, "7")
    [candle] = rows(api, "/market/candles/ETHUSDT")
    assert (candle["high"], candle["ticks"]) == ("7.00000000", 1)


def test_a_minute_without_a_mark_repeats_the_close(api: ApiClient, btc: Instrument) -> None:
    start = datetime(2026, 1, 5, 12, tzinfo=UTC)
    mark(btc, "100", start + timedelta(seconds=30))
    mark(btc, "110", start + timedelta(minutes=2))
    path = "/market/candles/BTCUSDT?start=2026-01-05T11:00:00Z"
    first, hole, last, after = rows(api, f"{path}&end=2026-01-05T13:04:00%2B01:00")
    assert [one["open_time"] for one in (first, hole, last, after)] == [
        f"2026-01-05T12:0{minute}:00Z" for minute in range(4)
    ]
    assert hole == {
        "open_time": "2026-01-05T12:01:00Z",
        **dict.fromkeys(("open", "high", "low", "close"), "100.00000000"),
        "ticks": 0,
        "volume": "0.00000000",
    }
    assert (last["open"], after["open"], after["ticks"]) == ("110.00000000", "110.00000000", 0)
    assert rows(api, f"{path}&limit=2") == [first, hole]
    assert rows(api, "/market/candles/BTCUSDT?end=2026-01-05T12:01:00Z") == [first]
    assert rows(api, "/market/candles/BTCUSDT?start=2199-12-31T23:59:59Z") == []
    assert rows(api, f"{path}&end=2026-01-05T11:00:00Z") == []


@each(
    "query",
    [
        *("interval=2m", "limit=0", "limit=1001", "limit=x"),
        *("start=yesterday", "start=2026-01-05", "start=2026-01-05T12:00:00", "start=1767614400"),
        *("end=0001-01-01T00:00:00%2B14:00", "end=1969-12-31T23:59:59Z"),
        *("end=2200-01-01T00:00:00Z", "end=9999-12-31T23:59:59-14:00"),
        "start=2026-01-05T12:00:01Z&end=2026-01-05T12:00:00Z",
    ],
)
def test_bad_candle_queries_are_explained(api: ApiClient, btc: Instrument, query: str) -> None:
    answer = api.get(f"/market/candles/BTCUSDT?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


def test_instruments_show_their_rules(api: ApiClient, btc: Instrument) -> None:
    [shown] = rows(api, "/market/instruments")
    assert (shown["symbol"], shown["tick_size"], shown["halted"]) == (
        "BTCUSDT",
        "0.01000000",
        False,
    )
