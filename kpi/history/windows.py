"""The KPIs over the last minutes or hours: snapshots added up, and what happened since.

Counts that reach further back than the window, as after an outage of the worker, belong to no
moment within it and are left out; ``seconds`` says what is covered.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from kpi.history.counters import (
    SINCE,
    counters_of,
    counts_since,
    increase,
    latency_counts,
    summed,
)
from kpi.history.figures import COLUMNS, COUNTS, Figure, Source, quantile_ms
from kpi.history.sources import counted_elsewhere, read_local_counters
from kpi.models import KpiReading
from kpi.requests.samples import read_samples


@dataclass(frozen=True, slots=True)
class Window:
    """How far a series reaches back, and the seconds between its points."""

    length: timedelta
    interval: int


#: By their names on the wire.
WINDOWS: Final = {
    "5m": Window(timedelta(minutes=5), 15),
    "1h": Window(timedelta(hours=1), 15),
    "6h": Window(timedelta(hours=6), 60),
    "24h": Window(timedelta(hours=24), 300),
    "7d": Window(timedelta(days=7), 1800),
    "30d": Window(timedelta(days=30), 7200),
}
#: Those over which the KPIs are added up at every request.
KPI_WINDOWS: Final = ("5m", "1h", "24h")


@dataclass(frozen=True, slots=True)
class Totals:
    """What happened in some time by the names of COUNTS; ``latencies`` by LATENCY_BOUNDS.

    Of a window that was asked for some of it, that alone.
    """

    counts: Mapping[str, float]
    latencies: Sequence[float]

    def __getitem__(self, name: str) -> float:
        return self.counts[name]

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the latencies in ms; 0 without requests."""
        return quantile_ms(share, self.latencies) or 0.0

    def plus(self, counts: Mapping[str, Any]) -> "Totals":
        pairs = zip(self.latencies, counts[LATENCIES], strict=True) if self.latencies else ()
        return Totals(
            {name: number + counts[name] for name, number in self.counts.items()},
            [before + more for before, more in pairs],
        )


LATENCIES: Final = "latency_counts"
#: What windows add up.
ADDED_UP: Final = tuple(one for one in COLUMNS if one in COUNTS or one.name == LATENCIES)
TOTALS: Final = """
SELECT {sums} FROM kpi_kpisnapshot
WHERE slot > %(since)s AND slot <= %(until)s
  AND slot - seconds * interval '1 second' >= %(earliest)s
"""
#: Snapshots of this length at least may overlap the beginning of a window: thinned ones do.
SHORTEST_OVERLAP: Final = timedelta(minutes=1)


def earliest_start(since: datetime) -> datetime:
    """Return how early counts may begin that belong to a window: two snapshots before it."""
    interval = timedelta(seconds=settings.KPI_SNAPSHOT_INTERVAL_SECONDS)
    return since - max(2 * interval, SHORTEST_OVERLAP)


def stored_totals(figures: Sequence[Figure], *, since: datetime, until: datetime) -> Totals:
    """Return the sums of the snapshots after ``since``, up to the one taken at ``until``."""
    moments = {"since": since, "earliest": earliest_start(since), "until": until}
    with connection.cursor() as cursor:
        cursor.execute(TOTALS.format(sums=", ".join(one.value for one in figures)), moments)
        [sums] = cursor.fetchall()
    counts = {one.name: number for one, number in zip(figures, sums, strict=True)}
    latencies = counts.pop(LATENCIES, ())
    return Totals({name: float(number or 0) for name, number in counts.items()}, latencies)


@dataclass(frozen=True)
class Windows:
    """What happened up to one moment, in windows of any length; everything is read once.

    ``names`` are of ADDED_UP: over a day, each costs its part of a look at thousands of snapshots.
    """

    names: Collection[str] = tuple(figure.name for figure in ADDED_UP)
    now: datetime = field(default_factory=timezone.now)

    def over(self, length: timedelta) -> Totals:
        """Return what happened in the last ``length``, as far as the snapshots reach back."""
        if length not in self._known:
            self._known[length] = self._read(length)
        return self._known[length]

    @cached_property
    def _known(self) -> dict[timedelta, Totals]:
        return {}

    def _read(self, length: timedelta) -> Totals:
        since, read_at = self.now - length, self._reading.read_at
        # No later snapshot than the reading's: what it counts is counted from the reading on.
        stored = stored_totals(self._figures, since=since, until=read_at or self.now)
        if read_at is None or read_at < earliest_start(since):
            return stored
        return stored.plus(self._present)

    @cached_property
    def _figures(self) -> list[Figure]:
        return [figure for figure in ADDED_UP if figure.name in self.names]

    @cached_property
    def _reading(self) -> KpiReading:
        return KpiReading.objects.get(id=1)

    @cached_property
    def _present(self) -> Mapping[str, Any]:
        rows_alone = all(figure.source is Source.ROWS for figure in self._figures)
        counters = {} if rows_alone else read_local_counters()
        return counts_since(self._reading, counters, now=self.now, figures=self._figures)


def since_start() -> Totals:
    """Return what the processes counted since the first of them started.

    Those of other web servers as they stood at the last snapshot.
    """
    own = counters_of(read_samples())
    servers = [own, *counted_elsewhere(own)]
    since = min((counters[SINCE] for counters in servers if counters[SINCE]), default=0.0)
    counts = summed([increase({}, counters) for counters in servers])
    seconds = max(time.time() - since, 0.0) if since else 0.0
    return Totals({**counts, "seconds": seconds}, latency_counts(counts))
