"""Writes of the market app: instruments and mark prices."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from market.candles import keep_candles
from market.errors import AlreadyReleased, CoarserStep, InvalidInstrument, InvalidMark
from market.kernel.amounts import LARGEST_INPUT, ZERO, is_multiple, is_valid_multiple
from market.kernel.reasons import checked_reason
from market.kernel.states import TradingState
from market.kernel.versions import lock_row
from market.models import HaltOutcome, Instrument, PriceHalt, PriceTick
from market.quotes import Quote
from market.ranges import keep_ranges
from market.selectors import open_price_halt
from market.windows import LONGEST_WINDOW

SET_MARKS = """
UPDATE market_instrument AS instrument
SET mark_price = quote.price, mark_source = quote.source, marked_at = %(now)s,
    market_time = quote.market_time, realized_range = quote.range
FROM unnest(%(ids)s::bigint[], %(prices)s::numeric[], %(sources)s::text[],
            %(market_times)s::timestamptz[], %(ranges)s::numeric[])
    AS quote (id, price, source, market_time, range)
WHERE instrument.id = quote.id
"""

#: Why the exchange itself halts an instrument; the halt keeps the quote.
BEYOND_COLLAR = "a quote beyond the price collar"


@transaction.atomic
def list_instrument(
    *,
    symbol: str,
    base_asset: str,
    tick_size: Decimal,
    lot_size: Decimal,
    reason: str,
    min_notional: Decimal = ZERO,
    maker_fee_rate: Decimal = ZERO,
    taker_fee_rate: Decimal = ZERO,
    price_collar: Decimal | None = None,
    max_order_size: Decimal | None = None,
    max_order_value: Decimal | None = None,
) -> Instrument:
    """List an instrument; it trades from its first mark price on.

    Raises InvalidInstrument, ReasonRequired, ReasonTooLong.
    """
    instrument = Instrument(
        symbol=symbol.upper(),
        base_asset=base_asset.upper(),
        tick_size=tick_size,
        lot_size=lot_size,
        min_notional=min_notional,
        maker_fee_rate=maker_fee_rate,
        taker_fee_rate=taker_fee_rate,
        price_collar=price_collar,
        max_order_size=max_order_size,
        max_order_value=max_order_value,
    )
    instrument._change_reason = checked_reason(reason)  # type: ignore[attr-defined]
    try:
        instrument.full_clean()
    except ValidationError as error:
        raise InvalidInstrument(" ".join(error.messages), errors=error.message_dict) from error
    instrument.save()
    return instrument


@transaction.atomic
def configure_instrument(
    *, instrument: Instrument, changes: Mapping[str, Any], reason: str, version: str | None = None
) -> None:
    """Change rules of an instrument: its steps, its smallest and largest orders, fee rates, collar.

    Steps may only become finer, so that every position and resting order stays a multiple of
    them. Raises CoarserStep, InvalidInstrument, ReasonRequired, ReasonTooLong, and StaleVersion as
    ``lock_row`` does.
    """
    instrument._change_reason = checked_reason(reason)  # type: ignore[attr-defined]
    lock_row(instrument, version=version)
    for field in ("tick_size", "lot_size"):
        present = getattr(instrument, field)
        new = changes.get(field, present)
        if new > 0 and not is_multiple(present, new):
            raise CoarserStep(field=field)
    changed = [name for name, value in changes.items() if getattr(instrument, name) != value]
    for field in changed:
        setattr(instrument, field, changes[field])
    try:
        instrument.full_clean()
    except ValidationError as error:
        raise InvalidInstrument(" ".join(error.messages), errors=error.message_dict) from error
    if changed:
        instrument.save(update_fields=changed)


@transaction.atomic
def halt_instrument(*, instrument: Instrument, reason: str) -> None:
    """Accept and fill no order of an instrument until it is resumed; close-outs go on.

    The release of a quote that halted it does not resume it either. Raises ReasonRequired,
    ReasonTooLong.
    """
    said = checked_reason(reason)
    lock_row(instrument)
    # First: by it the change of the switches ends only kills whose state staff loosen.
    PriceHalt.objects.filter(instrument=instrument, released_at=None).update(stays_halted=True)
    set_switches(instrument, said, halted=True, reducing=False)


@transaction.atomic
def reduce_instrument(*, instrument: Instrument, reason: str) -> None:
    """Accept only orders that reduce a position, until the instrument is resumed.

    While a quote halts it, that goes on until it is released, and the instrument reduces then.
    Raises ReasonRequired, ReasonTooLong.
    """
    said = checked_reason(reason)
    lock_row(instrument)
    quoted = PriceHalt.objects.filter(instrument=instrument, released_at=None)
    is_halted = bool(quoted.update(stays_halted=False))
    set_switches(instrument, said, halted=is_halted, reducing=True)


def set_instrument_state(*, instrument: Instrument, state: TradingState, reason: str) -> None:
    """Halt, reduce or resume an instrument, as the service of each says."""
    {
        TradingState.ACTIVE: resume_instrument,
        TradingState.REDUCING: reduce_instrument,
        TradingState.HALTED: halt_instrument,
    }[state](instrument=instrument, reason=reason)


@transaction.atomic
def halt_on_quote(
    *, instrument: Instrument, quote: Quote, collar: Decimal, now: datetime
) -> PriceHalt | None:
    """Halt an instrument because of a quote beyond its collar, and return the halt.

    None, and nothing changes, while such a halt is open already.
    """
    assert instrument.mark_price is not None
    # Nobody did it: else the history would name whoever asked for the market step.
    instrument._history_user = None  # type: ignore[attr-defined]
    was_halted = not set_switches(instrument, BEYOND_COLLAR, halted=True)
    halt, is_new = PriceHalt.objects.get_or_create(
        instrument=instrument,
        released_at=None,
        defaults={
            "mark_price": instrument.mark_price,
            "mark_source": instrument.mark_source,
            "price": quote.price,
            "source": quote.source,
            "collar": collar,
            "halted_at": now,
            "stays_halted": was_halted,
        },
    )
    return halt if is_new else None


@transaction.atomic
def resume_instrument(*, instrument: Instrument, reason: str) -> None:
    """Trade an instrument in full again.

    Where a quote halted it, release it at the old mark instead: it is then as staff have it. Raises
    ReasonRequired, ReasonTooLong.
    """
    said = checked_reason(reason)
    lock_row(instrument)
    halt = open_price_halt(instrument=instrument)
    if halt is None:
        set_switches(instrument, said, halted=False, reducing=False)
    else:
        halt.instrument = instrument
        release_instrument(halt=halt, outcome=HaltOutcome.KEPT, reason=said)


@transaction.atomic
def release_instrument(*, halt: PriceHalt, outcome: HaltOutcome, reason: str) -> None:
    """End the halt by a quote, of which ``outcome`` says what became.

    The instrument is then as staff have it: it trades again, unless they halted it too or let it
    only reduce, which they end by themselves. Raises
    AlreadyReleased, ReasonRequired, ReasonTooLong.
    """
    said, instrument = checked_reason(reason), halt.instrument
    lock_row(instrument)
    lock_row(halt)
    if halt.released_at is not None:
        raise AlreadyReleased
    halt.released_at, halt.outcome = timezone.now(), outcome
    halt.save(update_fields=["released_at", "outcome"])
    if not halt.stays_halted:
        set_switches(instrument, said, halted=False)


def set_switches(instrument: Instrument, reason: str, **switches: bool) -> bool:
    """Halt, reduce or resume an instrument, with history; False where it is so already."""
    lock_row(instrument)
    changed = [name for name, on in switches.items() if getattr(instrument, name) != on]
    if not changed:
        return False
    for name in changed:
        setattr(instrument, name, switches[name])
    instrument._change_reason = reason  # type: ignore[attr-defined]
    instrument.save(update_fields=changed)
    return True


def check_marks(*, quotes: Mapping[int, Quote]) -> None:
    """Raise InvalidMark for a price that is not a positive multiple of its tick size."""
    for instrument in Instrument.objects.filter(pk__in=quotes):
        price = quotes[instrument.pk].price
        if not is_valid_multiple(price, instrument.tick_size):
            raise InvalidMark(
                f"{price} is no price of {instrument.symbol}: give a positive multiple of "
                f"{instrument.tick_size.normalize():f} below {LARGEST_INPUT:,}."
            )


def record_marks(
    *,
    quotes: Mapping[int, Quote],
    now: datetime,
    step: int | None = None,
    window_minutes: int = LONGEST_WINDOW,
) -> None:
    """Set marks by instrument id, as ticks and in candles too, within the caller's transaction.

    Beside each stands its range over a window of so many minutes.
    """
    ranges = keep_ranges(quotes=quotes, now=now, minutes=window_minutes)
    parameters: dict[str, Any] = {
        "now": now,
        "ids": list(quotes),
        "prices": [quote.price for quote in quotes.values()],
        "sources": [str(quote.source) for quote in quotes.values()],
        "market_times": [quote.market_time for quote in quotes.values()],
        "ranges": [ranges[key] for key in quotes],
    }
    with connection.cursor() as cursor:
        cursor.execute(SET_MARKS, parameters)
    PriceTick.objects.bulk_create(
        PriceTick(
            instrument_id=key,
            price=quote.price,
            source=quote.source,
            created_at=now,
            market_time=quote.market_time,
            step=step,
        )
        for key, quote in quotes.items()
    )
    keep_candles(quotes=quotes, now=now)
