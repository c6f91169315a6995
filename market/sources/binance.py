"""stub"""

from collections.abc import Sequence
from decimal import Decimal

from market.models import Instrument, PriceOrigin
from market.sources import PriceSourceError


class BinanceSource:
    name = PriceOrigin.BINANCE_TESTNET

    def fetch(self, instruments: Sequence[Instrument], step: int) -> dict[str, Decimal]:
        raise PriceSourceError("not there yet")
