"""Leverage falls with an instrument's realised range: of what opens, when it is placed."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from rest_framework.test import APIClient

from market.models import Instrument, KeptCandle, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import halt_instrument, list_instrument
from risk.models import RiskPolicy
from risk.policy import PRESETS, PolicyError
from risk.services import change_policy
from tests.conftest import ClientOf
from tests.trading.conftest import Marks, Trader, order
from trading.models import Order
from trading.steps.by_hand import set_price, step_at_prices
from trading.steps.step import run_market_step

D = Decimal
BANDS = PRESETS["volatility"].volatility_bands


@pytest.fixture
def bands(market: dict[str, Instrument]) -> None:
    """From 3 % on three quarters, from 6 % on half; BTCUSDT has a mark of 65,000 by now."""
    change_policy(reason="A test", changes={"volatility_bands": BANDS})


def range_of(symbol: str = "BTCUSDT") -> Decimal | None:
    return Instrument.objects.get(symbol=symbol).realized_range


def place(api: APIClient, **changes: Any) -> Any:
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001", **changes}
    return api.post("/orders", json.dumps(body), content_type="application/json")


@pytest.mark.usefixtures("bands")
def test_each_band_begins_at_its_bound(trader: Trader, marks: Marks, client_of: ClientOf) -> None:
    """Of a beginner's 5x three are left at 3 %, two at 6 %; a tick before, all that was."""
    api = client_of(trader("10000", "beginner"))
    for price, highest in (("66949.99", 5), ("66950", 3), ("68899.99", 3), ("68900", 2)):
        marks(BTCUSDT=price)
        assert api.get("/account/limits").json()["leverage_by_symbol"] == {
            "BTCUSDT": highest,
            "ETHUSDT": 5,
        }
        assert place(api, leverage=highest).status_code == 200
        assert place(api).json()["order"]["leverage"] == highest
        beyond = place(api, leverage=highest + 1)
        code = "leverage_exceeds_tier" if highest == 5 else "leverage_exceeds_volatility"
        assert (beyond.status_code, beyond.json()["code"]) == (400, code)
        assert place(api, symbol="ETHUSDT", size="0.01", leverage=5).status_code == 200
    assert beyond.json()["detail"] == (
        "Your tier allows a leverage of up to 5; while the marks of BTCUSDT of the last 1440 "
        "minutes range over 6 %, it is 2."
    )


def test_without_bands_no_range_matters(trader: Trader, marks: Marks, client_of: ClientOf) -> None:
    api = client_of(trader("10000", "beginner"))
    marks(BTCUSDT="80000")
    assert place(api, leverage=5).status_code == 200
    assert "leverage_by_symbol" not in api.get("/account/limits").json()


@pytest.mark.usefixtures("bands")
def test_what_rests_already_fills_and_what_is_open_closes(trader: Trader, marks: Marks) -> None:
    user = trader("10000", "beginner")
    order(user, "buy", "0.01", leverage=5)
    resting = order(user, "buy", "0.001", leverage=5, price="64000")
    marks(BTCUSDT="69000")
    assert order(user, "buy", "0.001", leverage=5).reject_code == "leverage_exceeds_volatility"
    assert order(user, "sell", "0.004", leverage=5).status == "FILLED"
    assert order(user, "sell", "0.003", leverage=5, reduce_only=True).status == "FILLED"
    marks(BTCUSDT="64000")
    filled = Order.objects.get(pk=resting.pk)
    assert (filled.status, filled.leverage) == ("FILLED", 5)


@pytest.mark.usefixtures("bands")
def test_a_range_is_over_when_its_window_is(trader: Trader, marks: Marks) -> None:
    user = trader("10000", "beginner")
    change_policy(reason="A test", changes={"volatility_window_minutes": 10})
    with time_machine.travel(timezone.now().replace(second=30), tick=False) as clock:
        marks(BTCUSDT="69000")
        marks(BTCUSDT="65000")
        clock.shift(timedelta(minutes=9))
        marks(BTCUSDT="65000")
        assert order(user, "buy", "0.001", leverage=5).reject_code == "leverage_exceeds_volatility"
        clock.shift(timedelta(minutes=1))
        marks(BTCUSDT="65000")
        assert order(user, "buy", "0.001", leverage=5).status == "FILLED"


def quoted(price: str, source: PriceOrigin = PriceOrigin.SIMULATION) -> None:
    def quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
        return {i.pk: Quote(D(price), source) for i in instruments if i.symbol == "BTCUSDT"}

    run_market_step(quote_source=quotes)


def test_marks_count_whoever_set_them_and_refused_quotes_do_not(
    market: dict[str, Instrument], trader: Trader
) -> None:
    """Of another source, of a person, and of an instrument that is halted."""
    order(trader("10000"), "buy", "0.001")
    quoted("65650", PriceOrigin.BINANCE_TESTNET)
    assert range_of() == D("0.01")
    set_price(symbol="BTCUSDT", price=D("66300"))
    assert range_of() == D("0.02")
    halt_instrument(instrument=market["BTC"], reason="A test")
    quoted("66950")
    assert range_of() == D("0.03")
    quoted("10")
    assert range_of() == D("0.03")
    assert range_of("ETHUSDT") == 0


def test_a_replay_brings_its_own_clock(market: dict[str, Instrument]) -> None:
    """Its window begins with it, counts its candles' time, and ends with it."""
    begin = datetime(2025, 10, 10, 20, 50, tzinfo=UTC)
    ways = [(0, "100"), (1_439, "110"), (1_440, "120"), (1_441, "120"), (0, "90"), (1, "91.8")]
    ranges = []
    for minutes, price in ways:
        at = begin + timedelta(minutes=minutes)
        step_at_prices({"BTCUSDT": D(price)}, market_time=at)
        ranges.append(range_of())
    assert ranges == [0, D("0.1"), D("0.09090909"), D("0.09090909"), 0, D("0.02")]
    set_price(symbol="BTCUSDT", price=D("95"))
    assert range_of() == 0


def test_forgotten_ticks_and_candles_take_no_range_along(
    market: dict[str, Instrument], marks: Marks
) -> None:
    marks(BTCUSDT="66950")
    PriceTick.objects.all().delete()
    KeptCandle.objects.all().delete()
    marks(BTCUSDT="66000")
    assert range_of() == D("0.03")


@pytest.mark.usefixtures("bands")
def test_an_instrument_begins_without_a_range(trader: Trader, marks: Marks) -> None:
    """Before its first mark nothing is known, and no order is taken; after it all leverage is."""
    user = trader("10000", "beginner")
    list_instrument(
        reason="A test",
        symbol="NEWUSDT",
        base_asset="NEW",
        tick_size=D("0.01"),
        lot_size=D("0.01"),
    )
    assert range_of("NEWUSDT") is None
    assert order(user, "buy", "1", "NEWUSDT", leverage=5).reject_code == "stale_price"
    marks(NEWUSDT="7")
    assert range_of("NEWUSDT") == 0
    assert order(user, "buy", "1", "NEWUSDT", leverage=5).status == "FILLED"


def test_bands_are_kept_as_they_are_read(market: dict[str, Instrument]) -> None:
    """The same bands have one text, so that history and digest tell changes alone."""
    for text in (" 0.030:0.75,0.06 : 0.50 ", BANDS):
        change_policy(reason="A test", changes={"volatility_bands": text})
        assert RiskPolicy.objects.get().volatility_bands == "0.03: 0.75, 0.06: 0.5"
    assert RiskPolicy.objects.get().history.count() == 2
    with pytest.raises(PolicyError, match="at most 8 bands"):
        change_policy(reason="A test", changes={"volatility_bands": "3 %: 3/4"})
