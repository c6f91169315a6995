"""Prometheus metrics of HTTP requests; in several processes each counts in its own file.

A label set that is made here exists from the start, so that a metric can be read before its first
event.
"""

import math
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

UNMATCHED: Final = "unmatched"
#: Upper bounds of the latency histogram in seconds. Stored snapshots count in their order.
LATENCY_BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf),
)

api_request_latency_seconds = Histogram(
    "api_request_latency_seconds",
    "Time from a request's arrival in the process to its answer.",
    ["method", "endpoint"],
    buckets=LATENCY_BOUNDS,
)
api_requests_total = Counter(
    "api_requests_total", "Answered requests.", ["method", "endpoint", "status"]
)
api_error_total = Counter(
    "api_error_total", "Requests answered with a status of 400 or more.", ["endpoint", "status"]
)
api_request_latency_seconds.labels(method="GET", endpoint=UNMATCHED)
api_requests_total.labels(method="GET", endpoint=UNMATCHED, status="404")
api_error_total.labels(endpoint=UNMATCHED, status="404")


# A look-up of labels costs as much as the counting; there are few, and they never change.
@cache
def latency_of(method: str, endpoint: str) -> Histogram:
    return api_request_latency_seconds.labels(method=method, endpoint=endpoint)


@cache
def answers_of(method: str, endpoint: str, status: str) -> Counter:
    return api_requests_total.labels(method=method, endpoint=endpoint, status=status)


@cache
def counting_since() -> Gauge:
    """Return the gauge of when a process began to count: when it first asks for it.

    Processes that answer no requests do not have it.
    """
    gauge = Gauge(
        "counting_since_timestamp_seconds",
        "When each web process began to count requests, in seconds since the epoch.",
        multiprocess_mode="all",
    )
    gauge.set_to_current_time()
    return gauge


def note_start() -> None:
    """Note that a process begins to count which may be forked of one that did."""
    counting_since().set_to_current_time()
