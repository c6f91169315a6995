"""One market step: prices, then fills of the limit orders they reach, then close-outs.

Beat, the API and the commands all call ``run_market_step``. Marks, exposure totals and the list of
reached orders change in one transaction; fills and close-outs follow account by account. A step
that dies in between loses nothing: reached orders stay marked and accounts in breach stay in
breach, so that the next step or sweep finishes the work.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from market.clock import begin_step, end_step
from market.kernel.locks import is_lock_timeout, limit_lock_waits
from market.models import Instrument, PriceHalt
from market.prices import current_quotes
from market.quotes import Quote
from market.selectors import get_instrument
from market.services import check_marks, record_marks
from risk.selectors import get_policy
from risk.services import revalue_exposure
from trading.booking.isolation import PATIENCE, Isolation
from trading.liquidation.sweep import sweep_liquidations
from trading.metrics import market_step_seconds, market_steps_total
from trading.models import Liquidation, Order
from trading.orders.resting import IS_REACHED, fill_reached_orders
from trading.steps.collar import Leap, Sifted, joined, note_acts, sift

log = structlog.get_logger(__name__)

#: Where a step's prices come from: instruments and step number to quotes by instrument id.
QuoteSource = Callable[[Sequence[Instrument], int], Mapping[int, Quote]]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did; ``refreshed`` is False when it was not its turn or locks held up every mark.

    ``quotes`` are those that became marks; a step without any has run all the same.
    ``leaps`` are prices beyond the collar that a person set, ``halts`` what became of such quotes
    of price sources.

    ``unfinished`` are users some of whose fills or whose close-out failed and is left to the next
    step. ``unmarked`` are the quotes, by symbol, that did not become marks because another session
    kept the instrument's rows locked.
    """

    refreshed: bool
    step: int = 0
    quotes: Mapping[int, Quote] = field(default_factory=dict)
    ended_orders: Sequence[Order] = ()
    liquidations: Sequence[Liquidation] = ()
    unfinished: Collection[int] = ()
    leaps: Sequence[Leap] = ()
    halts: Sequence[PriceHalt] = ()
    unmarked: Mapping[str, Quote] = field(default_factory=dict)


def run_market_step(
    *,
    symbol: str | None = None,
    quote_source: QuoteSource | None = None,
    min_interval_seconds: float = 0,
    patience_seconds: float = 0,
) -> StepResult:
    """Run one market step for all instruments, or for one.

    Prices come from the configured sources unless ``quote_source`` gives them. Nothing happens when
    the step is not due, ``min_interval_seconds`` after the last one, or when another step still
    runs after ``patience_seconds``. An instrument whose rows another session keeps locked for a
    second keeps its mark. Raises UnknownSymbol.
    """
    instrument_id = None if symbol is None else get_instrument(symbol=symbol).pk
    step = begin_step(
        instrument_id=instrument_id,
        min_interval_seconds=min_interval_seconds,
        patience_seconds=patience_seconds,
    )
    if step is None:
        return StepResult(refreshed=False)
    try:
        with market_step_seconds.time():
            # Read under the clock: no mark changes from here on but by this step.
            instruments = instruments_to_step(instrument_id)
            quotes = (quote_source or configured_quotes)(instruments, step)
            check_marks(quotes=quotes)
            parts, locked = apply_marks_or_part(quotes=quotes, now=timezone.now(), step=step)
            unmarked = {one.symbol: quotes[one.pk] for one in instruments if one.pk in locked}
            if not parts:
                return StepResult(refreshed=False, unmarked=unmarked)
            fills = fill_reached_orders()
            sweep = sweep_liquidations()
    finally:
        end_step(step=step)
    market_steps_total.inc()
    sifted = joined(parts)
    return StepResult(
        refreshed=True,
        step=step,
        quotes=sifted.taken,
        ended_orders=fills.ended,
        liquidations=sweep.liquidations,
        unfinished=fills.unfinished | sweep.unfinished,
        leaps=sifted.leaps_by_hand,
        halts=sifted.halts,
        unmarked=unmarked,
    )


def instruments_to_step(instrument_id: int | None) -> list[Instrument]:
    """Return all instruments, or the one asked for, as they are now."""
    instruments = Instrument.objects.order_by("id")
    return list(instruments if instrument_id is None else instruments.filter(pk=instrument_id))


def configured_quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
    """Ask the configured price sources; network calls happen here, outside any transaction."""
    quotes = current_quotes(instruments=instruments, step=step)
    return {i.pk: quotes[i.symbol] for i in instruments if i.symbol in quotes}


def apply_marks_or_part(
    *, quotes: Mapping[int, Quote], now: datetime, step: int
) -> tuple[list[Sifted], set[int]]:
    """Apply marks; where a row stays locked, each by itself.

    Returns what was taken and refused, and the instruments that were held up even so.
    """
    isolation, groups = Isolation(), [quotes]
    parts: list[Sifted] = []
    locked: set[int] = set()
    while groups:
        group = groups.pop(0)
        try:
            patience = isolation.patience
            parts.append(apply_marks(quotes=group, now=now, patience=patience, step=step))
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            isolation.note(error)
            if len(group) > 1:
                groups = [{key: quote} for key, quote in group.items()]
            else:
                locked.update(group)
                for instrument_id in group:
                    log.warning("mark_not_set", instrument_id=instrument_id, reason="locked")
    return parts, locked


@transaction.atomic
def apply_marks(
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
    patience: float = PATIENCE,
    step: int | None = None,
) -> Sifted:
    """Set the marks that their collars allow, revalue exposure and mark the orders reached.

    The exposure rows are locked first, so that an order decided at an old mark either is booked
    before and seen here, or finds the new mark and is decided again. Nothing is applied when one
    stays locked for longer than ``patience`` seconds.
    """
    limit_lock_waits(seconds=patience)
    sifted = sift(quotes=quotes, now=now)
    marks = sifted.taken
    if marks:
        note_acts(quotes=marks, leaps=sifted.leaps_by_hand, now=now)
        revalue_exposure(marks={key: quote.price for key, quote in marks.items()})
        policy = get_policy()
        minutes = policy.volatility_window_minutes
        record_marks(quotes=marks, now=now, step=step, window_minutes=minutes)
        if not policy.trading_halted:
            trigger_reached_orders(instrument_ids=list(marks), now=now)
    return sifted


# The rows travel within the statement, however many they are. An order whose row is locked is left
# out: its account is ending it and waits for the exposure rows that this transaction holds. Should
# that fail, the next step reaches the order. An array keeps the cost linear whatever the planner
# expects of the rows.
TRIGGER_REACHED: Final = """
UPDATE trading_order SET triggered_at = %(now)s
WHERE id = ANY(ARRAY(
    SELECT resting.id
    FROM trading_order AS resting
    JOIN market_instrument AS instrument ON instrument.id = resting.instrument_id
    WHERE instrument.id = ANY(%(instruments)s::bigint[])
        AND resting.triggered_at IS NULL
        AND {is_reached}
    FOR NO KEY UPDATE OF resting SKIP LOCKED
))
""".replace("{is_reached}", IS_REACHED.format(mark="instrument.mark_price"))


def trigger_reached_orders(*, instrument_ids: Sequence[int], now: datetime) -> None:
    """Mark resting orders whose limit the mark price has reached."""
    with connection.cursor() as cursor:
        cursor.execute(TRIGGER_REACHED, {"instruments": list(instrument_ids), "now": now})
