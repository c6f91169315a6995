"""Quotes for a market step: asks the configured sources in turn, each for what is missing."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from market.binance.breaker import BreakerState, CircuitBreaker
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.sources import PriceSource, PriceSourceError, binance
from market.sources.simulation import SimulationSource

log = structlog.get_logger(__name__)

SOURCES: Final[Mapping[str, Callable[[], PriceSource]]] = {
    PriceOrigin.BINANCE_TESTNET.value: binance.configured_source,
    PriceOrigin.SIMULATION.value: SimulationSource,
}


@cache
def breaker_of(name: str) -> CircuitBreaker:
    """Return the breaker of a source, one per process."""
    return CircuitBreaker()


def new_source(name: str) -> PriceSource:
    """Return the source that PRICE_SOURCES calls ``name``. Raises ImproperlyConfigured."""
    if name not in SOURCES:
        raise ImproperlyConfigured(f"PRICE_SOURCES knows {', '.join(SOURCES)}, not {name!r}.")
    return SOURCES[name]()


def check_price_sources() -> None:
    """Raise ImproperlyConfigured for settings that no market step could use."""
    for name in settings.PRICE_SOURCES:
        new_source(name)


def current_quotes(*, instruments: Sequence[Instrument], step: int) -> dict[str, Quote]:
    """Return quotes by symbol for one market step; a symbol that no source knows has none.

    Calls the network: never inside a transaction. Raises ImproperlyConfigured.
    """
    quotes: dict[str, Quote] = {}
    for name in settings.PRICE_SOURCES:
        missing = [i for i in instruments if i.symbol not in quotes]
        if missing:
            quotes.update(ask(name, missing, step))
    return quotes


def ask(name: str, instruments: Sequence[Instrument], step: int) -> dict[str, Quote]:
    """Return the quotes of one source; none while its breaker is open or when it fails."""
    source, breaker = new_source(name), breaker_of(name)
    if not breaker.allows():
        return {}
    was_away = breaker.state is not BreakerState.CLOSED
    try:
        prices = source.fetch(instruments, step)
    except Exception as error:
        # Whatever breaks in a source, the step goes on with the next one.
        breaker.failed()
        if not isinstance(error, PriceSourceError):
            log.exception("price_source_broken", source=name)
        elif not was_away:
            log.warning("price_source_away", source=name, reason=str(error))
        return {}
    breaker.succeeded()
    if was_away:
        log.info("price_source_back", source=name)
    return {symbol: Quote(price, source.name) for symbol, price in prices.items()}
