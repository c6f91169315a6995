"""The KPI history as series for charts, bucketed by the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import Tier
from kpi.health.heartbeats import multiple_before
from kpi.history.figures import MARKET_TIME, METRICS, Figure
from kpi.history.windows import WINDOWS
from market.selectors import get_instrument
from risk.models import InstrumentExposure

#: As many instruments as a chart has room for.
MOST_SYMBOLS: Final = 10


@dataclass(frozen=True, slots=True)
class Point:
    """The value of the bucket that begins at ``timestamp``; None where it has no meaning.

    ``market_time`` is that of the recorded candle that was last replayed in it, if any was.
    """

    timestamp: datetime
    value: float | None
    market_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one instrument or tier, which ``label`` names, oldest first."""

    label: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class History:
    """A metric over a window; ``series`` instead of ``points`` for a metric by something.

    A bucket without a snapshot has no point.
    """

    metric: str
    window: str
    unit: str
    interval_seconds: int
    points: Sequence[Point] = ()
    series: Sequence[Series] = ()


def get_history(*, metric: str, window: str, symbols: Sequence[str] = ()) -> History:
    """Return a metric over a window, oldest point first.

    A metric by instrument comes for ``symbols``, or for the MOST_SYMBOLS instruments with the
    largest exposure now. ``metric`` is one of METRICS, ``window`` one of WINDOWS. Raises
    UnknownSymbol.
    """
    figure, span = METRICS[metric], span_of(window, now=timezone.now())
    points: Sequence[Point] = ()
    series: Sequence[Series] = ()
    if figure.by == "symbol":
        series = series_of(figure, span, symbols)
    elif figure.by == "tier":
        series = series_by_tier(figure, span)
    else:
        rows = buckets(f"{figure.value}, {MARKET_TIME.value}", span)
        points = [Point(at, figure.tell(value), market_time) for at, value, market_time in rows]
    return History(metric, window, figure.unit, span.seconds, points, series)


@dataclass(frozen=True, slots=True)
class Span:
    """The buckets of a series: the first begins at ``start``."""

    start: datetime
    seconds: int


def span_of(window: str, *, now: datetime) -> Span:
    """Return the buckets of a window up to the present one; none is shorter than a snapshot's."""
    seconds = max(WINDOWS[window].interval, settings.KPI_SNAPSHOT_INTERVAL_SECONDS)
    interval = timedelta(seconds=seconds)
    return Span(multiple_before(now, interval) - WINDOWS[window].length + interval, seconds)


BUCKETS: Final = """
SELECT date_bin(%(seconds)s * interval '1 second', slot, 'epoch') AS bucket, {values}
FROM kpi_kpisnapshot
WHERE slot >= %(start)s
GROUP BY bucket
ORDER BY bucket
"""


def buckets(values: str, span: Span) -> list[tuple[Any, ...]]:
    """Return the buckets with their ``values``, which are SQL of the figures."""
    with connection.cursor() as cursor:
        cursor.execute(
            BUCKETS.format(values=values), {"seconds": span.seconds, "start": span.start}
        )
        return cursor.fetchall()


def series_by_tier(figure: Figure, span: Span) -> list[Series]:
    """Return a series for each tier, from figures that are kept as JSON objects."""
    rows = [
        (at, json.loads(values), market_time)
        for at, values, market_time in buckets(f"{figure.value}, {MARKET_TIME.value}", span)
    ]
    return [
        Series(tier, [Point(at, figure.tell(values.get(tier)), time) for at, values, time in rows])
        for tier in Tier.values
    ]


# The slots are found by a statement of their own: joined, the planner expects far too many.
SERIES: Final = """
SELECT symbol, slot, {value}
FROM kpi_instrumentsnapshot AS held
JOIN market_instrument AS instrument ON instrument.id = held.instrument_id
WHERE held.slot = ANY(%s) AND held.instrument_id = ANY(%s)
ORDER BY symbol, slot
"""


def series_of(figure: Figure, span: Span, symbols: Sequence[str]) -> list[Series]:
    """Return a series for each of the instruments that has points, by symbol."""
    chosen = [get_instrument(symbol=symbol).pk for symbol in symbols[:MOST_SYMBOLS]]
    times_of = {
        slot: (bucket, market_time)
        for bucket, slot, market_time in buckets(f"max(slot), {MARKET_TIME.value}", span)
    }
    with connection.cursor() as cursor:
        cursor.execute(
            SERIES.format(value=figure.value),
            [list(times_of), chosen or largest_instruments()],
        )
        rows = cursor.fetchall()
    return [
        Series(symbol, [point_of(times_of[slot], figure.tell(value)) for _, slot, value in points])
        for symbol, points in groupby(rows, key=itemgetter(0))
    ]


def point_of(times: tuple[datetime, datetime | None], value: float | None) -> Point:
    bucket, market_time = times
    return Point(bucket, value, market_time)


def largest_instruments() -> list[int]:
    """Return the ids of the MOST_SYMBOLS instruments with the largest exposure now."""
    held = (F("long_quantity") + F("short_quantity")) * F("mark_price")
    rows = InstrumentExposure.objects.order_by(-(held + F("order_notional")), "instrument_id")
    return list(rows.values_list("instrument_id", flat=True)[:MOST_SYMBOLS])
