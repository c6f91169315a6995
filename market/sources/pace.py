"""When the steps of a replay are due, on the market's own clock sped up."""

from collections.abc import Iterator
from itertools import groupby

from market.sources.replay import ReplayStep


def paced(steps: Iterator[ReplayStep], *, speed: float) -> Iterator[tuple[float, ReplayStep]]:
    """Yield each step with the seconds after the first one at which it is due.

    ``speed`` is how many seconds of candles one second plays. Several steps of one candle are
    spread evenly until the next candle; those of the last one over as long as the one before it.
    """
    begun, gap = None, 0.0
    together: list[ReplayStep] = []
    for time, group in groupby(steps, key=lambda step: step.time):
        begun = begun or time
        if together:
            gap = (time - together[0].time).total_seconds()
            yield from spread(together, (together[0].time - begun).total_seconds(), gap, speed)
        together = list(group)
    if begun is not None:
        yield from spread(together, (together[0].time - begun).total_seconds(), gap, speed)


def spread(
    together: list[ReplayStep], start: float, gap: float, speed: float
) -> Iterator[tuple[float, ReplayStep]]:
    for number, step in enumerate(together):
        yield (start + gap * number / len(together)) / speed, step
