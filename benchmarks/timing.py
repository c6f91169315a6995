"""Times calls in this process."""

import time
from collections.abc import Callable, Sequence
from math import log10
from statistics import median


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long one call takes, in seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def median_of(calls: Sequence[Callable[[], object]]) -> float:
    """Return the median duration of calls made one after the other, in seconds."""
    return median(seconds_of(call) for call in calls)


def exponent(small: float, large: float) -> float:
    """Return the power of the size that a duration grows with, from 1× and 10× the data."""
    return log10(large / small)
