"""Reads of the market app: instruments, their present prices and halts."""

from datetime import datetime
from typing import Final

from django.db.models import Max, Q, QuerySet

from market.errors import NoPrice, UnknownSymbol
from market.kernel.rows import columns_of, find
from market.kernel.states import TradingState, state_of
from market.models import Instrument, PriceHalt

INSTRUMENT: Final = columns_of(Instrument)
BY_SYMBOL: Final = f"SELECT {', '.join(INSTRUMENT)} FROM market_instrument WHERE symbol = %s"


def get_instrument(*, symbol: str) -> Instrument:
    """Return an instrument by its symbol in any case. Raises UnknownSymbol."""
    known = find(Instrument, INSTRUMENT, BY_SYMBOL, [symbol.upper()]) if symbol.isalnum() else None
    if known is None:
        raise UnknownSymbol
    return known


def priced_instrument(*, symbol: str) -> Instrument:
    """Return an instrument that has a mark price. Raises UnknownSymbol, NoPrice."""
    instrument = get_instrument(symbol=symbol)
    if instrument.mark_price is None:
        raise NoPrice
    return instrument


def current_prices() -> QuerySet[Instrument]:
    """Return the instruments that have a mark price."""
    return Instrument.objects.filter(mark_price__isnull=False)


def latest_market_time() -> datetime | None:
    """Return the time of the latest recorded candle that a mark price comes from, if one does."""
    latest: datetime | None = Instrument.objects.aggregate(latest=Max("market_time"))["latest"]
    return latest


def instruments() -> QuerySet[Instrument]:
    """Return all instruments, by symbol."""
    return Instrument.objects.all()


def listed_as(symbol: str) -> QuerySet[Instrument, int]:
    """Return the id of the instrument of a symbol, for a statement that looks for its rows.

    Such a statement finds them by index, newest first; joined to instruments, it sorts them all.
    """
    return Instrument.objects.filter(symbol=symbol).values_list("pk", flat=True)[:1]


def open_price_halt(*, instrument: Instrument) -> PriceHalt | None:
    """Return the quote that halted an instrument, until staff have released it."""
    return PriceHalt.objects.filter(instrument=instrument, released_at=None).first()


def state_by_staff(*, instrument: Instrument) -> TradingState:
    """Return the state that an instrument is in but for a quote that halted it."""
    halt = open_price_halt(instrument=instrument)
    halted = instrument.halted if halt is None else halt.stays_halted
    return state_of(halted=halted, reducing=instrument.reducing)


def price_halts_since(moment: datetime) -> QuerySet[PriceHalt]:
    """Return the quotes whose halt goes on or ended after ``moment``, oldest first."""
    open_or_recent = Q(released_at=None) | Q(released_at__gte=moment)
    return PriceHalt.objects.filter(open_or_recent).select_related("instrument").order_by("id")
