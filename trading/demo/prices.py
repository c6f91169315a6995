"""The demo market's prices: a calm walk, a rally, a crash in the last third, and a recovery.

The same seed gives the same prices; nothing else goes into them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from market.kernel.amounts import round_to_multiple

STEP: Final = timedelta(minutes=30)
#: The last hour is stepped by the minute, as the charts of the present look at minutes.
LAST_HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
#: When the crash begins, and of the steps before it, which the rally begins with; as shares.
CRASH: Final = 0.93
RALLY: Final = 0.8
#: How many steps the recovery takes, and the drift of rally and recovery, in basis points.
RECOVERY: Final = 12
DRIFT: Final = 12
#: The crash's steps, as changes in basis points: a gap that leaves accounts in deficit comes first.
CRASH_MOVES: Final[Mapping[str, Sequence[int]]] = {
    "BTCUSDT": (-1900, -400, 150, -350),
    "ETHUSDT": (-2600, -500, 250, -450),
}
BASIS: Final = Decimal(10_000)


def step_times(*, end: datetime, days: int) -> list[datetime]:
    """Return the moments of the market steps of ``days`` days up to ``end``, oldest first."""
    start, last_hour = end - timedelta(days=days), end - LAST_HOUR
    halves = [start + n * STEP for n in range(int((last_hour - start) / STEP))]
    return [*halves, *(last_hour + n * MINUTE for n in range(int(LAST_HOUR / MINUTE) + 1))]


def crash_step(times: Sequence[datetime]) -> int:
    """Return which of the steps the crash begins with, counted from 0."""
    start = times[0] + CRASH * (times[-1] - times[0])
    return next(number for number, moment in enumerate(times) if moment >= start)


def changes(times: Sequence[datetime], symbol: str, rng: Random) -> Iterator[int]:
    """Yield a symbol's change in each step, in basis points."""
    crash, crash_moves = crash_step(times), CRASH_MOVES.get(symbol, CRASH_MOVES["BTCUSDT"])
    end = crash + len(crash_moves)
    for number, moment in enumerate(times):
        # A minute's changes are smaller than a half-hour's by about the root of 30.
        width = 11 if moment > times[-1] - LAST_HOUR else 60
        drifting = int(crash * RALLY) <= number < crash or end <= number < end + RECOVERY
        walk = rng.randint(-width, width) + (DRIFT if drifting else 0)
        yield crash_moves[number - crash] if crash <= number < end else walk


def price_path(
    times: Sequence[datetime], *, start: Decimal, symbol: str, tick_size: Decimal, rng: Random
) -> list[Decimal]:
    """Return a symbol's price in each step, a multiple of its tick size."""
    price, path = start, []
    for change in changes(times, symbol, rng):
        price = round_to_multiple(price * (1 + change / BASIS), tick_size)
        path.append(price)
    return path
