"""Where the counters come from: the processes that share this one's metrics directory."""

from typing import Final

from kpi.counters import counters_of
from kpi.samples import read_samples

#: The processes that share this one's metrics directory.
LOCAL: Final = "local"


def read_counters() -> dict[str, dict[str, float]]:
    """Return the counters of each source as they stand, by its name."""
    return {LOCAL: counters_of(read_samples())}
