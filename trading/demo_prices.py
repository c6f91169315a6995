"""The demo market's prices: a calm walk, a rally, a crash in the last third, and a recovery.

The same seed gives the same prices; nothing else goes into them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from market.amounts import round_to_multiple

STEP: Final = timedelta(minutes=30)
#: The last hour is stepped by the minute, as the charts of the present look at minutes.
LAST_HOUR: Final = timedelta(hours=1)
MINUTE: Final = timedelta(minutes=1)
#: Where the rally and the crash begin, as shares of the run.
RALLY: Final = Decimal("0.72")
CRASH: Final = Decimal("0.90")
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


def crash_step(steps: int) -> int:
    """Return which of so many steps the crash begins with, counted from 0."""
    return int(steps * CRASH)


def price_path(
    *, start: Mapping[str, Decimal], ticks: Mapping[str, Decimal], steps: int, rng: Random
) -> Iterator[dict[str, Decimal]]:
    """Yield the prices of each step by symbol, as multiples of the instruments' tick sizes."""
    prices = dict(start)
    crash, rally = crash_step(steps), int(steps * RALLY)
    for step in range(steps):
        for symbol in prices:
            moves = CRASH_MOVES.get(symbol, CRASH_MOVES["BTCUSDT"])
            if crash <= step < crash + len(moves):
                change = moves[step - crash]
            else:
                change = rng.randint(-60, 60) + (12 if rally <= step < crash else 0)
            moved = prices[symbol] * (1 + change / BASIS)
            prices[symbol] = round_to_multiple(moved, ticks[symbol])
        yield dict(prices)
