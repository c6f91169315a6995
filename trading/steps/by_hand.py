"""Market steps whose prices come from elsewhere than the configured sources."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Final

from market.errors import UnknownSymbol
from market.kernel.reasons import checked_reason
from market.models import Instrument, PriceHalt, PriceOrigin
from market.quotes import Act, Quote
from market.sources.simulation import SimulationSource
from trading.models import PriceWay
from trading.steps.patient import run_market_step_when_free
from trading.steps.step import QuoteSource, StepResult

#: Of prices that a program makes up: only what leaps is recorded.
UNNOTED: Final = Act(PriceWay.REPLAY, noted=False)


def set_price(
    *, symbol: str, price: Decimal, staff_id: int | None = None, reason: str = ""
) -> StepResult:
    """Run one market step of one instrument at ``price``, recorded as a person's act.

    ``staff_id`` says who is at the console, and says why; None means the command. Raises
    UnknownSymbol, MarketBusy, ReasonRequired, ReasonTooLong, and ExchangeError ``invalid_price``
    for a price that is not a positive multiple of the tick size.
    """
    if staff_id is not None:
        checked_reason(reason)
    act = Act(PriceWay.SET_PRICE if staff_id is None else PriceWay.CONSOLE, staff_id)
    source = fixed_quotes({symbol: price}, act)
    return run_market_step_when_free(symbol=symbol, quote_source=source)


def take_refused_price(
    *, halt: PriceHalt, reason: str, staff_id: int | None = None, patience: float = 30
) -> StepResult:
    """Run one market step at the price that halted an instrument, and trade it again from there.

    It is released in the transaction that sets its mark, so that nothing gets in between. Raises
    AlreadyReleased, MarketBusy, ReasonRequired, ReasonTooLong.
    """
    act = Act(PriceWay.RELEASE, staff_id, releases=halt, reason=checked_reason(reason))
    quote = Quote(halt.price, PriceOrigin(halt.source), act)
    return run_market_step_when_free(
        symbol=halt.instrument.symbol,
        quote_source=lambda instruments, step: {halt.instrument_id: quote},
        patience=patience,
    )


def step_at_prices(
    prices: Mapping[str, Decimal], *, noted: bool = False, market_time: datetime | None = None
) -> StepResult:
    """Run one market step of the instruments in ``prices``, by symbol, as of a replay.

    A move beyond the price collar is recorded as a person's act, with ``noted`` any.
    ``market_time`` is that of the candle. Raises as
    ``set_price``.
    """
    listed = set(Instrument.objects.values_list("symbol", flat=True))
    for symbol in prices:
        if symbol.upper() not in listed:
            raise UnknownSymbol(symbol=symbol.upper())
    source = fixed_quotes(prices, Act(PriceWay.REPLAY, noted=noted), market_time)
    return run_market_step_when_free(quote_source=source)


def fixed_quotes(
    prices: Mapping[str, Decimal], act: Act = UNNOTED, market_time: datetime | None = None
) -> QuoteSource:
    """Return a source that answers with a person's prices by symbol and leaves the rest alone."""
    known = {symbol.upper(): price for symbol, price in prices.items()}

    def quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
        return {
            instrument.pk: Quote(known[instrument.symbol], PriceOrigin.SIMULATION, act, market_time)
            for instrument in instruments
            if instrument.symbol in known
        }

    return quotes


def seeded_quotes(seed: str) -> QuoteSource:
    """Return a simulation that depends on the seed and on its own count of steps alone."""
    source, numbers = SimulationSource(seed=seed), count(1)

    def quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
        prices = source.fetch(instruments, next(numbers))
        return {
            instrument.pk: Quote(prices[instrument.symbol], PriceOrigin.SIMULATION)
            for instrument in instruments
            if instrument.symbol in prices
        }

    return quotes
