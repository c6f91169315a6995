"""Quotes for a market step: asks the configured sources in turn, each for what is missing."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from market.binance.breaker import CircuitBreaker
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.sources import PriceSource, PriceSourceError
from market.sources.binance import BinanceSource
from market.sources.simulation import SimulationSource

log = structlog.get_logger(__name__)


SOURCES: Final[Mapping[str, Callable[[], PriceSource]]] = {
    PriceOrigin.BINANCE_TESTNET.value: BinanceSource,
    PriceOrigin.SIMULATION.value: SimulationSource,
}


@cache
def guarded_source(name: str) -> tuple[PriceSource, CircuitBreaker]:
    """Return a source by name, one per process, with the breaker that skips it after failures.

    Raises ImproperlyConfigured.
    """
    if name not in SOURCES:
        raise ImproperlyConfigured(f"PRICE_SOURCES knows {', '.join(SOURCES)}, not {name!r}.")
    return SOURCES[name](), CircuitBreaker()


def current_quotes(*, instruments: Sequence[Instrument], step: int) -> dict[str, Quote]:
    """Return quotes by symbol for one market step; a symbol that no source knows has none.

    Calls the network: never inside a transaction.
    """
    quotes: dict[str, Quote] = {}
    for name in settings.PRICE_SOURCES:
        missing = [i for i in instruments if i.symbol not in quotes]
        if missing:
            quotes.update(ask(name, missing, step))
    return quotes


def ask(name: str, instruments: Sequence[Instrument], step: int) -> dict[str, Quote]:
    """Return the quotes of one source; none while its breaker is open or when it fails."""
    source, breaker = guarded_source(name)
    if not breaker.allows():
        return {}
    try:
        prices = source.fetch(instruments, step)
    except PriceSourceError as error:
        breaker.failed()
        log.warning("price_source_failed", source=name, reason=str(error))
        return {}
    breaker.succeeded()
    return {symbol: Quote(price, source.name) for symbol, price in prices.items()}
