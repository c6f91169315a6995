"""The counts that snapshots are made of: read, and told apart from what they were before.

A source is a set of processes that count together, named by its place and by when it began to
count. Counters of different sources are never compared, and one that fell starts anew.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kpi.history.figures import COLUMNS, Figure, Source, read_from
from kpi.history.rows import NewRows
from kpi.models import KpiReading
from kpi.requests.metrics import LATENCY_BOUNDS
from kpi.requests.samples import Samples, api_samples

#: Figures by name: everything counts up but the moments SINCE when it counts and when it was READ.
Counters = Mapping[str, float]

SINCE: Final = "since"
READ: Final = "read"
MOMENTS: Final = {SINCE, READ}
LATENCY: Final = "latency_le_"


def counters_of(samples: Samples) -> dict[str, float]:
    """Return the counters of a set of samples, over all labels that the KPIs do not tell apart."""
    counts = read_from(Source.PROCESSES, samples)
    return {SINCE: counting_since(samples), **counts, **latencies(samples)}


def counting_since(samples: Samples) -> float:
    """Return when the first process began to count, in seconds since the epoch; 0 if none has."""
    # A child forked from a process that had noted its start shows 0 until it notes its own.
    starts = [s.value for s in samples.get("counting_since_timestamp_seconds", ()) if s.value > 0]
    return min(starts, default=0.0)


def latencies(samples: Samples) -> dict[str, float]:
    """Return how many requests took at most each of LATENCY_BOUNDS."""
    counts = {LATENCY + name_of(bound): 0.0 for bound in LATENCY_BOUNDS}
    for sample in api_samples(samples, "api_request_latency_seconds_bucket"):
        name = LATENCY + name_of(float(sample.labels["le"]))
        if name in counts:
            counts[name] += sample.value
    return counts


def name_of(bound: float) -> str:
    return "inf" if math.isinf(bound) else f"{bound:g}"


def source_name(place: str, counters: Counters) -> str:
    """Return the name of what counts at a place: another one began at another moment."""
    return f"{place}@{counters[SINCE]:.6f}"


def place_of(source: str) -> str:
    return source.rpartition("@")[0]


def risen(
    before: Mapping[str, Counters], after: Mapping[str, Counters], *, read_at: float
) -> dict[str, float]:
    """Return by how much the counters rose since ``before``, all sources together.

    A source that was not read before adds all it counted if it began after the last look at its
    place (``read_at`` where nobody looked), since it then counted nothing earlier; else nothing.
    """
    looks: dict[str, float] = {}
    for source, counters in before.items():
        place = place_of(source)
        looks[place] = max(counters[READ], looks.get(place, 0.0))
    return summed(
        [
            increase(before.get(source, {}), counters)
            for source, counters in after.items()
            if source in before or counters[SINCE] >= looks.get(place_of(source), read_at)
        ]
    )


def increase(before: Counters, after: Counters) -> dict[str, float]:
    """Return by how much each counter rose; all of it where any fell: they start anew together."""
    counts = {name: value for name, value in after.items() if name not in MOMENTS}
    started_anew = any(value < before.get(name, 0.0) for name, value in counts.items())
    base: Counters = {} if started_anew else before
    return {name: value - base.get(name, 0.0) for name, value in counts.items()}


def summed(increases: Sequence[Counters]) -> dict[str, float]:
    """Return the increases of several sources as one."""
    totals: dict[str, float] = defaultdict(float)
    for one in increases:
        for name, value in one.items():
            totals[name] += value
    return dict(totals)


def latency_counts(increases: Counters) -> list[int]:
    """Return the increases of the latency histogram in the order of LATENCY_BOUNDS."""
    return [int(increases.get(LATENCY + name_of(bound), 0)) for bound in LATENCY_BOUNDS]


def counts_since(
    reading: KpiReading,
    counters: Mapping[str, Counters],
    *,
    now: datetime,
    until: Mapping[str, int] | None = None,
    figures: Sequence[Figure] = COLUMNS,
) -> dict[str, Any]:
    """Return what happened since a reading by the columns of a snapshot; rows up to ``until``.

    Of rows and of single counts of processes those of ``figures`` alone.
    """
    assert reading.read_at is not None
    increases = risen(reading.counters, counters, read_at=reading.read_at.timestamp())
    processes = (figure.name for figure in figures if figure.source is Source.PROCESSES)
    return {
        "seconds": (now - reading.read_at).total_seconds(),
        "latency_counts": latency_counts(increases),
        **{name: increases.get(name, 0.0) for name in processes},
        **read_from(Source.ROWS, NewRows(reading, until or {}), figures=figures),
    }
