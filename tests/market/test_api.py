"""Prices, candles and instruments over HTTP."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from market.errors import ExchangeError
from market.models import Instrument, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import check_marks, list_instrument, prune_ticks, record_marks
from tests.conftest import ApiClient


@pytest.fixture
def btc(db: None) -> Instrument:
    return list_instrument(
        symbol="btcusdt",
        base_asset="btc",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.00001"),
    )


def mark(instrument: Instrument, price: str, at: datetime | None = None) -> None:
    quote = Quote(Decimal(price), PriceOrigin.SIMULATION)
    record_marks(quotes={instrument.pk: quote}, now=at or timezone.now())


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
    assert api.get("/market/prices").json() == [answer]


@pytest.mark.parametrize("symbol", ["NOSUCH", "BTC%00", "%F0%9F%92%A9", "x" * 500])
def test_an_unknown_symbol_is_not_found(api: ApiClient, btc: Instrument, symbol: str) -> None:
    for path in ("price", "candles"):
        answer = api.get(f"/market/{path}/{symbol}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_symbol")


def test_without_a_token_nothing_is_told(anonymous: ApiClient, btc: Instrument) -> None:
    for path in ("prices", "price/BTCUSDT", "candles/BTCUSDT", "instruments"):
        assert anonymous.get(f"/market/{path}").status_code == 401


def test_candles_are_made_of_ticks(api: ApiClient, btc: Instrument) -> None:
    start = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=2)
    for seconds, price in ((0, "100"), (10, "120"), (20, "90"), (30, "110"), (120, "115")):
        mark(btc, price, start + timedelta(seconds=seconds))
    first, second = api.get("/market/candles/btcusdt?interval=1m").json()
    assert first == {
        "open_time": start.isoformat().replace("+00:00", "Z"),
        "open": "100.00000000",
        "high": "120.00000000",
        "low": "90.00000000",
        "close": "110.00000000",
        "ticks": 4,
    }
    assert second["close"] == "115.00000000"
    assert api.get("/market/candles/BTCUSDT?limit=2").json() == [second]


@pytest.mark.parametrize("query", ["interval=2m", "limit=0", "limit=1001", "limit=x"])
def test_bad_candle_queries_are_explained(api: ApiClient, btc: Instrument, query: str) -> None:
    answer = api.get(f"/market/candles/BTCUSDT?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert list(answer.json()["errors"]) == [query.partition("=")[0]]


def test_instruments_show_their_rules(api: ApiClient, btc: Instrument) -> None:
    [shown] = api.get("/market/instruments").json()
    assert (shown["symbol"], shown["tick_size"], shown["halted"]) == (
        "BTCUSDT",
        "0.01000000",
        False,
    )


@pytest.mark.parametrize("price", ["0", "-1", "0.001", "1000000000", "NaN"])
def test_a_mark_must_be_a_positive_multiple_of_the_tick(btc: Instrument, price: str) -> None:
    quote = Quote(Decimal(price), PriceOrigin.SIMULATION)
    with pytest.raises(ExchangeError, match="invalid_price"):
        check_marks(quotes={btc.pk: quote})


@pytest.mark.parametrize(
    "changes",
    [
        {"tick_size": Decimal("0.0001"), "lot_size": Decimal("0.00001")},
        {"tick_size": Decimal(0)},
        {"symbol": "BTC-USDT"},
        {"symbol": "BTCUSDT"},
        {"taker_fee_rate": Decimal(1)},
    ],
)
def test_an_instrument_that_breaks_a_rule_is_not_listed(
    btc: Instrument, changes: dict[str, Any]
) -> None:
    rules = {"symbol": "ETHUSDT", "tick_size": Decimal(1), "lot_size": Decimal(1)}
    with pytest.raises(ExchangeError, match="invalid_instrument"):
        list_instrument(base_asset="ETH", **{**rules, **changes})


def test_old_ticks_are_pruned(btc: Instrument) -> None:
    now = timezone.now()
    for days in (0, 5, 40):
        mark(btc, "100", now - timedelta(days=days))
    assert prune_ticks(older_than=timedelta(days=30)) == 1
    assert PriceTick.objects.count() == 2
