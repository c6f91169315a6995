"""Price sources: where mark prices come from, behind one small protocol."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from market.models import Instrument, PriceOrigin


class PriceSourceError(Exception):
    """A source could not answer; the next one is asked."""


class PriceSource(Protocol):
    """Gives prices for one market step."""

    name: PriceOrigin

    def fetch(self, instruments: Sequence[Instrument], step: int) -> Mapping[str, Decimal]:
        """Return prices by symbol, multiples of the tick size, for the instruments it knows.

        Raises PriceSourceError.
        """
        ...
