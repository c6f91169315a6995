"""A step's prices come from the first source that has them; one that fails is left alone."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from structlog.testing import capture_logs

from market import prices
from market.binance.breaker import CircuitBreaker
from market.models import Instrument, PriceOrigin
from market.prices import check_price_sources, current_quotes
from market.quotes import Quote
from market.sources import binance
from tests.each import each
from tests.system.binance_standin.faults import Answer, AnyFault, Fault
from tests.system.binance_standin.manual_clock import ManualClock
from tests.system.binance_standin.server import BinanceStandin

pytest_plugins = ["tests.system.binance_standin.fixtures"]

TICKER = "/api/v3/ticker/price"
BTC = Instrument(symbol="BTCUSDT", tick_size=Decimal("0.01"), mark_price=Decimal(60000))
ETH = Instrument(symbol="ETHUSDT", tick_size=Decimal("0.01"), mark_price=Decimal(3000))
UNLISTED = Instrument(symbol="OURSUSDT", tick_size=Decimal("0.01"), mark_price=Decimal(7))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """A process that has just started, and its breakers' clock."""
    clock = ManualClock()
    monkeypatch.setattr(prices, "breaker_of", cache(lambda name: CircuitBreaker(clock=clock)))
    return clock


@pytest.fixture
def venue(
    binance_standin: BinanceStandin, clock: ManualClock, settings: Any
) -> Iterator[BinanceStandin]:
    """Binance as the first source, the simulation as the second."""
    settings.PRICE_SOURCES = ["binance_testnet", "simulation"]
    settings.SIMULATION_SEED = "7"
    settings.BINANCE_BASE_URL = binance_standin.url
    yield binance_standin
    binance.source_at.cache_clear()


def ask(*instruments: Instrument) -> dict[str, Quote]:
    return current_quotes(instruments=instruments or [BTC, ETH], step=1)


def sources(quotes: dict[str, Quote]) -> dict[str, str]:
    return {symbol: quote.source.value for symbol, quote in quotes.items()}


def test_binance_is_asked_once_for_all(venue: BinanceStandin) -> None:
    assert ask() == {
        "BTCUSDT": Quote(Decimal(65000), PriceOrigin.BINANCE_TESTNET),
        "ETHUSDT": Quote(Decimal(3200), PriceOrigin.BINANCE_TESTNET),
    }
    [seen] = venue.seen
    assert (seen.path, seen.parameters["symbols"]) == (TICKER, '["BTCUSDT","ETHUSDT"]')


def test_prices_are_rounded_to_our_tick(venue: BinanceStandin) -> None:
    coarse = Instrument(symbol="BTCUSDT", tick_size=Decimal("0.5"), mark_price=Decimal(60000))
    venue.set_price("BTCUSDT", "65000.26")
    assert ask(coarse)["BTCUSDT"].price == Decimal("65000.5")


def test_a_price_that_rounds_to_nothing_is_none(venue: BinanceStandin, settings: Any) -> None:
    settings.PRICE_SOURCES = ["binance_testnet"]
    assert ask(Instrument(symbol="BTCUSDT", tick_size=Decimal(1_000_000))) == {}


@each("price", ["1e300", "1000000000", "999999999.999"])
def test_a_price_beyond_the_market_is_none(
    venue: BinanceStandin, settings: Any, price: str
) -> None:
    settings.PRICE_SOURCES = ["binance_testnet"]
    body = [{"symbol": "BTCUSDT", "price": price}]
    venue.fail_next(Answer(200, body), method="GET", path=TICKER)
    assert ask(BTC) == {}


def test_an_unlisted_symbol_costs_the_others_nothing(venue: BinanceStandin) -> None:
    expected = {
        "BTCUSDT": "binance_testnet",
        "ETHUSDT": "binance_testnet",
        "OURSUSDT": "simulation",
    }
    with capture_logs() as logs:
        assert sources(ask(BTC, ETH, UNLISTED)) == expected
        asked = venue.count("GET", TICKER)
        assert sources(ask(BTC, ETH, UNLISTED)) == expected
    assert venue.count("GET", TICKER) == asked + 1
    [entry] = logs
    assert (entry["event"], entry["symbols"]) == ("binance_symbols_unlisted", ["OURSUSDT"])


def test_only_unlisted_symbols_are_no_request(venue: BinanceStandin) -> None:
    ask(UNLISTED)
    before = len(venue.seen)
    assert sources(ask(UNLISTED)) == {"OURSUSDT": "simulation"}
    assert len(venue.seen) == before


def test_a_venue_that_is_down_is_left_alone_and_asked_again(
    venue: BinanceStandin, clock: ManualClock
) -> None:
    venue.stop()
    with capture_logs() as logs:
        for _ in range(3):
            assert set(sources(ask()).values()) == {"simulation"}
        venue.start()
        assert set(sources(ask()).values()) == {"simulation"}
        assert venue.count("GET", TICKER) == 0
        clock.advance(5)
        assert set(sources(ask()).values()) == {"binance_testnet"}
        assert set(sources(ask()).values()) == {"binance_testnet"}
    assert [entry["event"] for entry in logs] == ["price_source_away", "price_source_back"]


def test_a_long_outage_is_logged_once_and_probed_ever_more_rarely(
    venue: BinanceStandin, clock: ManualClock
) -> None:
    for _ in range(8):
        venue.fail_next(Answer(503, {}), method="GET", path=TICKER)
    with capture_logs() as logs:
        for _ in range(600):
            ask()
            clock.advance(1)
    assert [entry["event"] for entry in logs] == ["price_source_away"]
    # Probes 0, 5, 15, 35, 75, 155 and 315 seconds after the first failure.
    assert len(venue.faults.waiting) == 8 - 7


def test_malformed_answers_count_as_failures(venue: BinanceStandin) -> None:
    venue.fail_next(Answer(200, {"hello": 1}), method="GET", path=TICKER)
    assert set(sources(ask()).values()) == {"simulation"}


@pytest.mark.usefixtures("collector_at_rest")
@each("fault", [Fault.DRIP_HEAD, Fault.DRIP_BODY, Fault.HOLD_BEFORE, Answer(200, "[" * 100_000)])
def test_no_answer_holds_a_step(
    venue: BinanceStandin, monkeypatch: pytest.MonkeyPatch, fault: AnyFault
) -> None:
    monkeypatch.setattr(binance, "FETCH_TIMEOUT", 0.5)
    venue.fail_next(fault, method="GET", path=TICKER)
    assert set(sources(ask()).values()) == {"simulation"}


def test_the_second_request_of_a_fetch_has_what_the_first_left(
    venue: BinanceStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binance, "FETCH_TIMEOUT", 0.5)
    refused = Answer(400, {"code": -1121, "msg": "Invalid symbol."})
    venue.fail_next(refused, method="GET", path=TICKER)
    venue.fail_next(Fault.DRIP_BODY, method="GET", path=TICKER)
    assert set(sources(ask()).values()) == {"simulation"}


class Broken:
    """A source that raises what it may not."""

    name = PriceOrigin.BINANCE_TESTNET

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        raise ZeroDivisionError


def test_a_source_that_breaks_stops_no_step(
    clock: ManualClock, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRICE_SOURCES = ["broken", "simulation"]
    monkeypatch.setattr(prices, "SOURCES", {**prices.SOURCES, "broken": Broken})
    with capture_logs() as logs:
        assert set(sources(ask()).values()) == {"simulation"}
    assert [entry["event"] for entry in logs] == ["price_source_broken"]


def test_a_venue_that_asks_for_a_pause_gets_it(venue: BinanceStandin, clock: ManualClock) -> None:
    limited = Answer(429, {"code": -1003, "msg": "Too much weight."}, (("Retry-After", "60"),))
    venue.fail_next(limited, method="GET", path=TICKER)
    ask()
    before = venue.count("GET", TICKER)
    clock.advance(5)
    assert set(sources(ask()).values()) == {"simulation"}
    assert venue.count("GET", TICKER) == before


def test_without_any_source_nothing_is_quoted(clock: ManualClock, settings: Any) -> None:
    settings.PRICE_SOURCES = []
    assert ask() == {}


def test_an_unknown_source_is_named_with_the_known_ones(clock: ManualClock, settings: Any) -> None:
    settings.PRICE_SOURCES = ["simulation", "bloomberg"]
    with pytest.raises(ImproperlyConfigured, match="binance_testnet, simulation, not 'bloomberg'"):
        check_price_sources()


def test_a_base_url_that_is_none_is_refused(clock: ManualClock, settings: Any) -> None:
    settings.PRICE_SOURCES = ["binance_testnet"]
    settings.BINANCE_BASE_URL = "testnet.binance.vision"
    with pytest.raises(ImproperlyConfigured, match="BINANCE_BASE_URL"):
        check_price_sources()
