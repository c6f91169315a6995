"""From when until when a chart is drawn, and in which bars."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from market.candles import opens

#: How far a chart reaches back, by the names that the console shows.
WINDOWS: Final = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": timedelta(days=36_500),
}
#: As many bars as a chart has at most, and how long, in seconds, one of them may be.
MOST_BARS: Final = 400
LENGTHS: Final = (60, 300, 900, 3_600, 10_800, 43_200, 86_400, 604_800, 7_776_000)


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a chart: bars of one length from ``since`` on; the last one holds ``until``."""

    window: str
    since: datetime
    until: datetime
    length: timedelta

    @property
    def bars(self) -> list[datetime]:
        """When each bar opens."""
        count = -((self.since - self.until) // self.length)
        return [self.since + n * self.length for n in range(max(count, 1))]


def span_of(window: str, *, until: datetime, earliest: datetime) -> Span:
    """Return the span of a window, which begins no earlier than there was anything to show."""
    since = max(until - WINDOWS[window], min(earliest, until))
    whole = (until - since).total_seconds()
    seconds = next((each for each in LENGTHS if whole / each <= MOST_BARS - 1), LENGTHS[-1])
    length = timedelta(seconds=seconds)
    return Span(window, opens(since, length), until, length)


def window_that_holds(duration: timedelta) -> str:
    """Return the shortest window that reaches a third further back than ``duration``."""
    return next(name for name, reach in WINDOWS.items() if 3 * reach >= 4 * duration)
