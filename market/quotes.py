"""A price and where it came from."""

from dataclasses import dataclass
from decimal import Decimal

from market.models import PriceOrigin


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one instrument, in its quote asset, for one market step.

    ``by_hand`` is one that a person set or recorded, which no price collar binds.
    """

    price: Decimal
    source: PriceOrigin
    by_hand: bool = False
