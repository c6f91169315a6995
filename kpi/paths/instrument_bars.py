"""The candles of an instrument, and what staff, the price collar and close-outs did meanwhile."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from django.db import connection

from kpi.paths.between import ids_between
from market.candles import INTERVALS, Candle, found_candles, kept_candles, opens
from market.kernel.amounts import EXACT, round_half_even
from market.kernel.console.figures import grouped
from market.models import Instrument, PriceHalt
from market.services import BEYOND_COLLAR
from risk.models import LeverageLimit, RiskPolicy
from trading.models import Liquidation

#: Bars of one answer; further ones are asked for as somebody pans to them.
BARS: Final = 400
DEFAULT_INTERVAL: Final = "1m"
#: Changes of each history, halts and close-outs that are looked at, the newest ones until then.
MOST: Final = 200
MOST_CLOSINGS: Final = 10_000
#: Of more events of a kind in a bar only the number is told.
MOST_TOLD: Final = 3
HALTS: Final = {"halted", "trading_halted"}
BY_HAND: Final = ("Halted", "Resumed")
ALL_TRADING: Final = ("All trading halted", "All trading resumed")
#: How long after the halt by a quote the history says the same.
ECHO: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an instrument, in words and as a kind of mark.

    ``may_echo`` is a halt that the instrument's history has, perhaps once more than by its quote.
    """

    at: datetime
    kind: str
    text: str
    count: int = 1
    may_echo: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A part of an instrument's course; ``earlier`` tells whether there is more before it."""

    interval: str
    since: datetime
    until: datetime
    candles: Sequence[Candle]
    events: Sequence[Event]
    earlier: bool

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=INTERVALS[self.interval])

    @property
    def opens(self) -> list[datetime]:
        """When each bar opens, from the first one on that has a mark."""
        first = self.candles[0].open_time if self.candles else self.until
        count = (self.until - first) // self.length
        return [first + n * self.length for n in range(count)]


def bars_of(instrument: Instrument, *, interval: str, until: datetime) -> Bars:
    """Return BARS bars that open before ``until``."""
    length = timedelta(seconds=INTERVALS[interval])
    stop = opens(until - timedelta(microseconds=1), length) + length
    since = stop - BARS * length
    found = [
        *halts_told_once(instrument, stop),
        *limit_changes(instrument, stop),
        *closed_out(instrument, since, stop, length),
    ]
    events = sorted((one for one in found if since <= one.at < stop), key=lambda one: one.at)
    return Bars(
        interval,
        since,
        stop,
        found_candles(instrument, length, since, stop),
        merged(events, length),
        kept_candles(instrument, length).filter(open_time__lt=since).exists(),
    )


def merged(events: Iterable[Event], length: timedelta) -> list[Event]:
    """Return one event for all of a kind in a bar, with their count."""
    together: dict[tuple[datetime, str], list[Event]] = {}
    for one in events:
        together.setdefault((opens(one.at, length), one.kind), []).append(one)
    return [
        Event(bar, kind, texts(parts), sum(part.count for part in parts))
        for (bar, kind), parts in together.items()
    ]


def texts(events: Sequence[Event]) -> str:
    told = [one.text for one in events[:MOST_TOLD]]
    if len(events) > MOST_TOLD:
        told.append(f"and {len(events) - MOST_TOLD} more")
    return "; ".join(told)


def halts(instrument: Instrument, stop: datetime) -> Iterator[Event]:
    """Yield quotes that halted an instrument, and their release; by hand is in its history."""
    for halt in PriceHalt.objects.filter(instrument=instrument, halted_at__lt=stop)[:MOST]:
        halt.instrument = instrument
        yield Event(halt.halted_at, "halt", f"Halted by its price collar: {halt.reason}")
        if halt.released_at is not None:
            yield Event(halt.released_at, "resume", f"Released: {halt.get_outcome_display()}")


def halts_told_once(instrument: Instrument, stop: datetime) -> Iterator[Event]:
    """Yield all halts and resumptions, without what a history says once more of one by a quote."""
    by_quote = list(halts(instrument, stop))
    yield from by_quote
    for one in halts_by_hand(instrument, stop):
        same = (each for each in by_quote if each.kind == one.kind)
        if not (one.may_echo and any(abs(one.at - each.at) < ECHO for each in same)):
            yield one


def halts_by_hand(instrument: Instrument, stop: datetime) -> Iterator[Event]:
    """Yield halts and resumptions of an instrument and of all trading, from their histories."""
    history = instrument.history.all()
    for record, fields in changes(history, stop):
        if "halted" in fields:
            halted = fields["halted"][1]
            yield halt_event(
                record, halted, BY_HAND, may_echo=not halted or not is_by_staff(record)
            )
    for record, fields in changes(RiskPolicy.history.all(), stop):
        if "trading_halted" in fields:
            yield halt_event(record, fields["trading_halted"][1], ALL_TRADING, may_echo=False)


def is_by_staff(record: Any) -> bool:
    """Tell whether a halt has a reason of staff; histories used to keep none."""
    return record.history_change_reason not in (None, "", BEYOND_COLLAR)


def halt_event(record: Any, halted: bool, words: Sequence[str], *, may_echo: bool) -> Event:
    kind, told = ("halt", words[0]) if halted else ("resume", words[1])
    return Event(record.history_date, kind, told + why(record), may_echo=may_echo)


def why(record: Any) -> str:
    """Return the reason of a change, as it follows what was changed."""
    return f" ({record.history_change_reason})" if record.history_change_reason else ""


def limit_changes(instrument: Instrument, stop: datetime) -> Iterator[Event]:
    """Yield changes of an instrument's rules, of the risk policy and of leverage limits."""
    histories = {
        "Rules": instrument.history.all(),
        "Risk policy": RiskPolicy.history.all(),
        **{f"Leverage of {limit.tier}": limit.history.all() for limit in limits()},
    }
    for name, history in histories.items():
        for record, fields in changes(history, stop):
            told = described({key: one for key, one in fields.items() if key not in HALTS})
            if told:
                yield Event(record.history_date, "limit", f"{name}: {told}{why(record)}")


def limits() -> Any:
    return LeverageLimit.objects.all()


def changes(history: Any, stop: datetime) -> Iterator[tuple[Any, dict[str, tuple[Any, Any]]]]:
    """Yield each record that changed something, with old and new by field."""
    newest = history.filter(history_date__lt=stop).order_by("-history_date", "-history_id")
    for record, earlier in pairwise(newest[: MOST + 1]):
        fields = {
            change.field: (change.old, change.new)
            for change in record.diff_against(earlier).changes
        }
        if fields:
            yield record, fields


def described(fields: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {shown(old)} → {shown(new)}"
        for name, (old, new) in fields.items()
    )


def shown(value: Any) -> str:
    if value is None:
        return "none"
    return grouped(value) if isinstance(value, Decimal) else str(value)


# A close-out is found by its number, which rises with time.
CLOSED_OUT: Final = """
SELECT date_bin(%(length)s, created_at, 'epoch') AS bar, side, count(*), sum(size), sum(notional)
FROM (
    SELECT * FROM trading_trade
    WHERE instrument_id = %(instrument)s AND liquidation_id IS NOT NULL
        AND liquidation_id >= %(first)s AND liquidation_id < %(stop)s
    ORDER BY liquidation_id DESC LIMIT %(most)s
) AS newest
GROUP BY 1, 2
"""


def closed_out(
    instrument: Instrument, since: datetime, stop: datetime, length: timedelta
) -> Iterator[Event]:
    """Yield the positions that were closed out, those of a bar and a side together."""
    first, beyond = ids_between(Liquidation, "created_at", since, stop)
    parameters: dict[str, Any] = {
        "instrument": instrument.pk,
        "length": length,
        "first": first,
        "stop": beyond,
        "most": MOST_CLOSINGS,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLOSED_OUT, parameters)
        for bar, side, count, size, notional in cursor.fetchall():
            price = grouped(round_half_even(EXACT.divide(notional, size)))
            held = "long" if side == "sell" else "short"
            positions = f"{count} {held} position{'s' if count > 1 else ''}"
            told = f"Closed out {positions}: {grouped(size)} at {price}"
            yield Event(bar, "close_out", told, count)
