"""Quantiles of a cumulative histogram. Pure functions over floats: seconds, not money."""

from collections.abc import Mapping


def quantile(share: float, buckets: Mapping[float, float]) -> float:
    """Return the value below which ``share`` (0 to 1) of the observations lie.

    ``buckets`` maps upper bounds, the last one infinity, to cumulative counts. Linear inside a
    bucket whose lower bound is the one before it (0 for the first); beyond the last finite bound
    the answer is that bound. This is Prometheus' ``histogram_quantile``. 0 without observations.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0
    if total == 0:
        return 0.0
    rank, lower, below = share * total, 0.0, 0.0
    for bound in bounds[:-1]:
        if buckets[bound] >= rank:
            inside = buckets[bound] - below
            return lower + (bound - lower) * ((rank - below) / inside if inside else 0.0)
        lower, below = bound, buckets[bound]
    return lower
