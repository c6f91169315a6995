"""A price and where it came from."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from market.models import PriceHalt, PriceOrigin


@dataclass(frozen=True, slots=True)
class Act:
    """How a person sets a price, and which member of staff where one is known.

    An act that is not ``noted`` is recorded only for a move beyond the price collar. One that
    ``releases`` ends that halt as soon as the price is the mark, for the ``reason``, and fails
    where it has ended.
    """

    way: str
    staff_id: int | None = None
    noted: bool = True
    releases: PriceHalt | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one instrument, in its quote asset, for one market step.

    One with an ``act`` is a person's, which no price collar binds. ``market_time`` is that of the
    recorded candle that it comes from, where it comes from one.
    """

    price: Decimal
    source: PriceOrigin
    act: Act | None = None
    market_time: datetime | None = None
