"""The KPI history as series for charts, bucketed by the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.models import Tier
from kpi.health.heartbeats import multiple_before
from kpi.history.figures import MARKET_TIME, METRICS, Figure
from kpi.history.windows import WINDOWS
from market.kernel.rows import rows_of
from market.selectors import get_instrument
from risk.models import InstrumentExposure

#: As many instruments as a chart has room for.
MOST_SYMBOLS: Final = 10


class Point(NamedTuple):
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
        points = [Point(at, figure.tell(value), time) for at, value, time in told(figure, span)]
    return History(metric, window, figure.unit, span.seconds, points, series)


@dataclass(frozen=True, slots=True)
class Span:
    """The buckets of a series, from that of ``start`` to the one after that of ``end``.

    A snapshot is no later than that, though it be of a machine whose clock is ahead.
    """

    start: datetime
    end: datetime
    seconds: int

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.seconds)

    @property
    def buckets(self) -> list[datetime]:
        """When each of them begins; before ``start`` where that is no multiple of theirs."""
        first = multiple_before(self.start, self.interval)
        return [first + n * self.interval for n in range((self.end - first) // self.interval + 2)]


def span_of(window: str, *, now: datetime) -> Span:
    """Return the buckets of a window up to the present one; none is shorter than a snapshot's."""
    seconds = max(WINDOWS[window].interval, settings.KPI_SNAPSHOT_INTERVAL_SECONDS)
    interval = timedelta(seconds=seconds)
    start = multiple_before(now, interval) - WINDOWS[window].length + interval
    return Span(start, now, seconds)


def told(figure: Figure, span: Span) -> list[tuple[Any, ...]]:
    """Return the buckets with what a figure comes to, and the market time."""
    if not figure.at_last:
        return buckets(f"{figure.value}, {MARKET_TIME.merged}", span)
    starts = span.buckets
    rows = last_of_each(f"{figure.value}, {MARKET_TIME.value}", span)
    return [(starts[bucket], value, market_time) for bucket, value, market_time in rows]


BUCKETS: Final = """
SELECT date_bin(%(seconds)s * interval '1 second', slot, 'epoch') AS bucket, {values}
FROM kpi_kpisnapshot
WHERE slot >= %(start)s
GROUP BY bucket
ORDER BY bucket
"""


def buckets(values: str, span: Span) -> list[tuple[Any, ...]]:
    """Return the buckets with their ``values``, which are SQL of the figures."""
    return rows_of(BUCKETS.format(values=values), {"seconds": span.seconds, "start": span.start})


# However many snapshots a bucket has, its last one is found at once.
LAST_SNAPSHOTS: Final = """
FROM generate_series(0, %(most)s) AS bucket
CROSS JOIN LATERAL (
    SELECT * FROM kpi_kpisnapshot
    WHERE slot >= %(start)s AND slot >= %(first)s + bucket * %(interval)s
      AND slot < %(first)s + (bucket + 1) * %(interval)s
    ORDER BY slot DESC LIMIT 1
) AS snapshot
"""
LAST_OF_EACH: Final = f"SELECT bucket, {{values}} {LAST_SNAPSHOTS} ORDER BY bucket"


def last_of_each(values: str, span: Span) -> list[tuple[Any, ...]]:
    """Return the number of each bucket and ``values`` of its last snapshot, which are SQL."""
    return rows_of(LAST_OF_EACH.format(values=values), numbered(span))


def numbered(span: Span) -> dict[str, Any]:
    """Return what LAST_SNAPSHOTS asks for; a number is read ten times as fast as a time."""
    first, *others = span.buckets
    known = {"first": first, "most": len(others)}
    return known | {"interval": span.interval, "start": span.start}


def series_by_tier(figure: Figure, span: Span) -> list[Series]:
    """Return a series for each tier, from figures that are kept as JSON objects."""
    rows = [(at, json.loads(values), market_time) for at, values, market_time in told(figure, span)]
    return [
        Series(tier, [Point(at, figure.tell(values.get(tier)), time) for at, values, time in rows])
        for tier in Tier.values
    ]


# A row for each instrument, of which thousands of values are read at once.
SERIES: Final = f"""
SELECT symbol, array_agg(bucket ORDER BY bucket), array_agg(({{value}})::float8 ORDER BY bucket)
{LAST_SNAPSHOTS}
JOIN kpi_instrumentsnapshot AS held
    ON held.slot = snapshot.slot AND held.instrument_id = ANY(%(instruments)s)
JOIN market_instrument AS instrument ON instrument.id = held.instrument_id
GROUP BY instrument.id
ORDER BY symbol
"""


def series_of(figure: Figure, span: Span, symbols: Sequence[str]) -> list[Series]:
    """Return a series for each of the instruments that has points, by symbol."""
    chosen = [get_instrument(symbol=symbol).pk for symbol in symbols[:MOST_SYMBOLS]]
    asked = {"instruments": chosen or largest_instruments(), **numbered(span)}
    rows = rows_of(SERIES.format(value=figure.value), asked)
    starts, times = span.buckets, dict(last_of_each(MARKET_TIME.value, span))
    return [
        Series(
            symbol,
            [
                Point(starts[n], figure.tell(value), times.get(n))
                for n, value in zip(numbers, values, strict=True)
            ],
        )
        for symbol, numbers, values in rows
    ]


def largest_instruments() -> list[int]:
    """Return the ids of the MOST_SYMBOLS instruments with the largest exposure now."""
    held = (F("long_quantity") + F("short_quantity")) * F("mark_price")
    rows = InstrumentExposure.objects.order_by(-(held + F("order_notional")), "instrument_id")
    return list(rows.values_list("instrument_id", flat=True)[:MOST_SYMBOLS])
