"""Holds the quotes of price sources to the collar around the marks that they would replace.

A quote beyond it keeps the old mark and halts its instrument, so that nobody is closed out and
nothing filled at a price that no person has looked at. A price that a person sets passes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog

from market.models import HaltOutcome, Instrument, PriceHalt
from market.quotes import Quote
from market.services import halt_on_quote, release_instrument
from risk.collar import is_within_collar
from risk.models import InstrumentExposure
from risk.selectors import price_collars
from risk.services import lock_exposure
from trading.models import OPEN_STATUSES, ManualPrice, Order

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Leap:
    """A quote beyond the collar around the mark of its instrument."""

    instrument: Instrument
    mark_price: Decimal
    quote: Quote
    collar: Decimal


@dataclass(frozen=True, slots=True)
class Sifted:
    """The quotes that become marks; those of a person that leap; the halts of the others."""

    taken: Mapping[int, Quote]
    leaps_by_hand: Sequence[Leap] = ()
    halts: Sequence[PriceHalt] = ()


def joined(parts: Sequence[Sifted]) -> Sifted:
    """Return what several transactions of one step took and refused."""
    return Sifted(
        taken={key: quote for part in parts for key, quote in part.taken.items()},
        leaps_by_hand=[leap for part in parts for leap in part.leaps_by_hand],
        halts=[halt for part in parts for halt in part.halts],
    )


def sift(*, quotes: Mapping[int, Quote], now: datetime) -> Sifted:
    """Tell which quotes may become marks, and halt the instruments of those that may not.

    Runs in the transaction that sets the marks. A quote is not asked where it comes from another
    source than the mark, as long as nothing is open in its instrument. A person's that releases an
    instrument does so here. Raises AlreadyReleased.
    """
    release_for(quotes.values())
    leaps = leaps_among(quotes)
    by_hand = [leap for leap in leaps if leap.quote.act]
    strangers = [leap.instrument.pk for leap in leaps if is_stranger(leap)]
    idle = without_interest(strangers, locked=quotes) if strangers else set()
    refused = [x for x in leaps if x.quote.act is None and x.instrument.pk not in idle]
    halts = [halt for leap in refused if (halt := halt_on(leap, now))]
    beyond = {leap.instrument.pk for leap in refused}
    taken = {key: quote for key, quote in quotes.items() if key not in beyond}
    return Sifted(taken, by_hand, halts)


def release_for(quotes: Iterable[Quote]) -> None:
    """End the halts whose refused price a person takes. Raises AlreadyReleased."""
    for quote in quotes:
        if (act := quote.act) is not None and act.releases is not None:
            release_instrument(halt=act.releases, outcome=HaltOutcome.TAKEN, reason=act.reason)


def leaps_among(quotes: Mapping[int, Quote]) -> list[Leap]:
    """Return the quotes beyond the collar of an instrument that has a mark."""
    marked = Instrument.objects.filter(pk__in=quotes, mark_price__isnull=False).order_by("id")
    instruments = list(marked)
    collars = price_collars(instruments)
    return [
        Leap(instrument, instrument.mark_price, quotes[instrument.pk], collars[instrument.pk])
        for instrument in instruments
        if instrument.mark_price is not None
        and not is_within_collar(
            price=quotes[instrument.pk].price,
            mark=instrument.mark_price,
            collar=collars[instrument.pk],
        )
    ]


def is_stranger(leap: Leap) -> bool:
    """Tell whether a quote comes from another source than the mark."""
    return leap.quote.act is None and leap.quote.source != leap.instrument.mark_source


def without_interest(instrument_ids: Collection[int], *, locked: Collection[int]) -> set[int]:
    """Return the instruments without an open position or order, and keep them so.

    Whatever opens either waits for the exposure rows; all of the step are locked, in their order.
    """
    lock_exposure(instrument_ids=locked)
    held = InstrumentExposure.objects.filter(instrument_id__in=instrument_ids).exclude(
        long_quantity=0, short_quantity=0
    )
    ordered = Order.objects.filter(instrument_id__in=instrument_ids, status__in=OPEN_STATUSES)
    busy = [
        *held.values_list("instrument_id", flat=True),
        *ordered.order_by().distinct().values_list("instrument_id", flat=True),
    ]
    return set(instrument_ids).difference(busy)


def note_acts(*, quotes: Mapping[int, Quote], leaps: Sequence[Leap], now: datetime) -> None:
    """Record the prices that persons set, in the transaction that makes them marks, before it."""
    beyond = {leap.instrument.pk for leap in leaps}
    acts = {key: quote.act for key, quote in quotes.items() if quote.act is not None}
    noted = [key for key, act in acts.items() if act.noted or key in beyond]
    if not noted:
        return
    marks = dict(Instrument.objects.filter(pk__in=noted).values_list("id", "mark_price"))
    ManualPrice.objects.bulk_create(
        ManualPrice(
            instrument_id=key,
            price=quotes[key].price,
            previous_price=marks[key],
            way=acts[key].way,
            beyond_collar=key in beyond,
            created_at=now,
            created_by_id=acts[key].staff_id,
        )
        for key in noted
    )


def halt_on(leap: Leap, now: datetime) -> PriceHalt | None:
    """Halt an instrument because of a leap; None where it is halted because of one already."""
    halt = halt_on_quote(instrument=leap.instrument, quote=leap.quote, collar=leap.collar, now=now)
    if halt is not None:
        log.warning(
            "price_halt",
            symbol=leap.instrument.symbol,
            mark_price=str(halt.mark_price),
            price=str(halt.price),
            source=str(halt.source),
            collar=str(halt.collar),
        )
    return halt
