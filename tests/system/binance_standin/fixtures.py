"""The stand-in as a fixture: ``pytest_plugins = ["tests.system.binance_standin.fixtures"]``."""

from collections.abc import Iterator
from typing import Any

import pytest

from market.binance.client import BinanceClient
from tests.system.binance_standin.clients import ClientOf
from tests.system.binance_standin.server import BinanceStandin
from trading.models import Venue


@pytest.fixture
def binance_standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinanceStandin]:
    """A venue that runs for one test, and did not fail by itself."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    standin = BinanceStandin()
    standin.start()
    try:
        yield standin
    finally:
        standin.stop()
    assert standin.failures == []


@pytest.fixture
def binance_client_of(binance_standin: BinanceStandin) -> ClientOf:
    """Make clients of the stand-in, with its credentials unless told otherwise."""

    def create(**overrides: Any) -> BinanceClient:
        defaults = {
            "base_url": binance_standin.url,
            "api_key": binance_standin.api_key,
            "api_secret": binance_standin.api_secret,
        }
        return BinanceClient(**{**defaults, **overrides})

    return create


@pytest.fixture
def binance_client(binance_client_of: ClientOf) -> BinanceClient:
    """A client of the stand-in with its credentials."""
    return binance_client_of()


@pytest.fixture
def venue(binance_standin: BinanceStandin, settings: Any) -> BinanceStandin:
    """The exchange, set to place its orders at the stand-in."""
    settings.EXCHANGE_VENUE = Venue.BINANCE_TESTNET
    settings.BINANCE_BASE_URL = binance_standin.url
    settings.BINANCE_API_KEY = binance_standin.api_key
    settings.BINANCE_API_SECRET = binance_standin.api_secret
    return binance_standin
