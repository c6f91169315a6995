"""Market steps that must not be skipped: those of commands and of the console.

They wait for their turn, and come back to an instrument whose rows another session keeps locked.
In between they hold neither the clock nor a row, so that the market goes on for all others.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from market.models import Instrument
from market.quotes import Quote
from trading.errors import MarketBusy
from trading.steps.reporting import describe_unfinished
from trading.steps.step import QuoteSource, StepResult, run_market_step

#: Seconds that a step waits for its turn and for locked rows, unless its caller says otherwise.
PATIENCE: Final = 30.0

#: Seconds between two attempts: many looks at the clock of whoever waits for it.
PAUSE: Final = 0.2


def run_market_step_when_free(
    *,
    symbol: str | None = None,
    quote_source: QuoteSource | None = None,
    patience: float | None = None,
) -> StepResult:
    """Run one market step as soon as no other runs, and again for the instruments held up.

    It ends after about ``patience`` seconds; ``unmarked`` of the result then says whose mark could
    not be set. Raises MarketBusy where none could, UnknownSymbol.
    """
    patience = PATIENCE if patience is None else patience
    deadline = time.monotonic() + patience
    result = run_market_step(symbol=symbol, quote_source=quote_source, patience_seconds=patience)
    while result.unmarked and deadline - time.monotonic() > PAUSE:
        time.sleep(PAUSE)
        left = max(deadline - time.monotonic(), 0)
        result = with_next_attempt(result, given=quote_source is not None, patience=left)
    if not result.refreshed:
        raise MarketBusy(describe_unfinished(unmarked=result.unmarked))
    return result


def with_next_attempt(result: StepResult, *, given: bool, patience: float) -> StepResult:
    """Step the instrument that was held up first, and return what both steps did.

    At the price that it was ``given``, else at a new one of the configured sources. A step of one
    instrument leaves the turn of the step of all alone.
    """
    symbol, quote = next(iter(result.unmarked.items()))
    source = (lambda instruments, step: at(quote, instruments)) if given else None
    again = run_market_step(symbol=symbol, quote_source=source, patience_seconds=patience)
    others = {key: quote for key, quote in result.unmarked.items() if key != symbol}
    if not again.refreshed:
        return replace(result, unmarked={**others, symbol: quote})
    return StepResult(
        refreshed=True,
        step=again.step,
        quotes={**result.quotes, **again.quotes},
        ended_orders=[*result.ended_orders, *again.ended_orders],
        liquidations=[*result.liquidations, *again.liquidations],
        unfinished=again.unfinished,
        leaps=[*result.leaps, *again.leaps],
        halts=[*result.halts, *again.halts],
        unmarked=others,
    )


def at(quote: Quote, instruments: Sequence[Instrument]) -> Mapping[int, Quote]:
    """Return the same quote for each instrument."""
    return {instrument.pk: quote for instrument in instruments}
