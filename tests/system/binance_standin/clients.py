"""The type of the fixture that makes clients."""

from collections.abc import Callable

from market.binance.client import BinanceClient

ClientOf = Callable[..., BinanceClient]
