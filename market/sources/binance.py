"""Prices of Binance Spot Testnet, rounded to the instruments' tick sizes."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from market.binance.client import BinanceClient
from market.binance.errors import BadSymbol, VenueError
from market.kernel.amounts import LARGEST_INPUT, ZERO, is_valid_multiple, round_to_multiple
from market.models import Instrument, PriceOrigin
from market.sources import PriceSourceError

log = structlog.get_logger(__name__)

#: Seconds to connect and for one answer.
CONNECT_TIMEOUT: Final = 1.0
READ_TIMEOUT: Final = 2.0
#: Seconds that a market step waits for the prices, whatever requests they take.
FETCH_TIMEOUT: Final = 2.5


class BinanceSource:
    """Asks for the last prices of all instruments in one request.

    A symbol that the venue does not list is asked for once and then left out until the process
    starts again, so that it does not cost the others their price.
    """

    name = PriceOrigin.BINANCE_TESTNET

    def __init__(self, client: BinanceClient) -> None:
        self.client = client
        self.unlisted: set[str] = set()

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        asked = [i.symbol for i in instruments if i.symbol not in self.unlisted]
        if not asked:
            return {}
        try:
            prices = self.prices_of(asked)
        except VenueError as error:
            raise PriceSourceError(str(error)) from error
        return prices_on_ticks(instruments, prices)

    def prices_of(self, symbols: Sequence[str]) -> Mapping[str, Decimal]:
        """Return the prices of those symbols that the venue lists. Raises VenueError."""
        deadline = self.client.deadline_in(FETCH_TIMEOUT)
        try:
            return self.client.ticker_prices(symbols, deadline=deadline)
        except BadSymbol:
            # The refusal does not say which one it is.
            prices = self.client.ticker_prices(deadline=deadline)
        unlisted = set(symbols) - set(prices)
        log.warning("binance_symbols_unlisted", symbols=sorted(unlisted))
        self.unlisted |= unlisted
        return prices


def prices_on_ticks(
    instruments: Sequence[Instrument], prices: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Return the prices rounded to ticks, without those that no mark price may have."""
    on_ticks = {}
    for instrument in instruments:
        price = prices.get(instrument.symbol, ZERO)
        if price < LARGEST_INPUT:
            price = round_to_multiple(price, instrument.tick_size)
        if is_valid_multiple(price, instrument.tick_size):
            on_ticks[instrument.symbol] = price
    return on_ticks


def configured_source() -> BinanceSource:
    """Return the source for BINANCE_BASE_URL. Raises ImproperlyConfigured."""
    return source_at(settings.BINANCE_BASE_URL)


@cache
def source_at(base_url: str) -> BinanceSource:
    """Return the source of one venue; all threads of a process share its connections."""
    try:
        client = BinanceClient(
            base_url=base_url, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"BINANCE_BASE_URL: {error}") from error
    return BinanceSource(client)
