"""The counters that snapshots are made of: read, and told apart from what they were before.

A counter that starts anew never makes an increase negative.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from prometheus_client.samples import Sample

from kpi.metrics import LATENCY_BOUNDS
from kpi.samples import Samples, api_samples

#: Figures by name: everything counts up but SINCE, the moment from which it counts.
Counters = Mapping[str, float]

SINCE: Final = "since"
LATENCY: Final = "latency_le_"


def counters_of(samples: Samples) -> dict[str, float]:
    """Return the counters of a set of samples, over all labels that the KPIs do not tell apart."""
    answers = api_samples(samples, "api_requests_total")
    seconds = api_samples(samples, "api_request_latency_seconds_sum")
    return {
        SINCE: counting_since(samples),
        "requests": total(answers),
        "errors": total(answers, lambda sample: int(sample.labels["status"]) >= 400),
        "server_errors": total(answers, lambda sample: int(sample.labels["status"]) >= 500),
        "latency_seconds": total(seconds),
        "auth_failures": total(samples.get("auth_failures_total", ())),
        "rate_limit_hits": total(samples.get("rate_limit_hits_total", ())),
        "cache_outages": total(samples.get("cache_outages_total", ())),
        **latencies(samples),
    }


def total(
    samples: Sequence[Sample], counts: Callable[[Sample], bool] = lambda sample: True
) -> float:
    return sum(sample.value for sample in samples if counts(sample))


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


def increase(before: Counters, after: Counters) -> dict[str, float]:
    """Return by how much each counter rose; all of it where the counters started anew.

    They did when the counting began later than it had before, or when any of them fell: a source
    starts all of its counters together.
    """
    restarted = after[SINCE] > before.get(SINCE, 0.0) > 0 or any(
        after.get(name, 0.0) < value for name, value in before.items() if name != SINCE
    )
    base: Counters = {} if restarted else before
    return {name: value - base.get(name, 0.0) for name, value in after.items() if name != SINCE}


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
