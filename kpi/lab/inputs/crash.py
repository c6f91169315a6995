"""A made-up crash: candles from a seed, quiet, then a fall and half a recovery.

Only sums and products of a generator's numbers, so that every machine makes the same candles.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

from kpi.lab.inputs.candles import Bar, Bars
from kpi.lab.inputs.specs import CrashSpec
from market.candle_files import Candle
from market.kernel.amounts import round_to_multiple

FIRST_BAR: Final = datetime(2025, 1, 1, tzinfo=UTC)
#: Prices at the start by symbol, and of all others.
PRICES: Final = {"BTCUSDT": 100_000.0, "ETHUSDT": 4_000.0}
PRICE: Final = 100.0
#: What is traded within a quiet bar, in USDT.
QUIET_TRADE: Final = 2_000_000.0
#: Shares of the tape's length: when the fall begins, how long it takes, how long half of it is
#: recovered after it.
FALL_AT: Final = 0.6
FALL_FOR: Final = 0.02
RECOVERED_FOR: Final = 0.05
#: Standard deviation of the way from one bar to the next, and within the fall.
QUIET: Final = 0.003
WILD: Final = 0.02
#: Points of a bar's own path, and how much of a bar's way all symbols have in common.
POINTS: Final = 6
IN_COMMON: Final = 0.8


def make_bars(spec: CrashSpec, symbol: str, tick_size: Decimal) -> Bars:
    """Return the candles of a symbol; its own noise beside what all symbols share."""
    shared, own = Random(f"{spec.seed}"), Random(f"{spec.seed} {symbol}")  # noqa: S311
    price, length = PRICES.get(symbol, PRICE), timedelta(minutes=spec.bar_minutes)
    bars = []
    for number in range(spec.bars):
        drift, deviation = phase(number / spec.bars, spec)
        points = [price]
        for _ in range(POINTS):
            noise = IN_COMMON * draw(shared) + (1 - IN_COMMON) * draw(own)
            points.append(points[-1] * (1 + (drift + deviation * noise) / POINTS))
        busy = 1 + 20 * abs(points[-1] / price - 1) / WILD
        bars.append(bar_of(symbol, FIRST_BAR + number * length, points, tick_size, busy))
        price = points[-1]
    return Bars(symbol, "", length, tuple(bars))


def phase(passed: float, spec: CrashSpec) -> tuple[float, float]:
    """Return drift and deviation of a bar, by the share of the tape that has passed."""
    if FALL_AT <= passed < FALL_AT + FALL_FOR:
        return -float(spec.fall) / (FALL_FOR * spec.bars), WILD
    if FALL_AT + FALL_FOR <= passed < FALL_AT + FALL_FOR + RECOVERED_FOR:
        return float(spec.fall) / 2 / (RECOVERED_FOR * spec.bars), WILD / 2
    return 0.0, QUIET


def draw(generator: Random) -> float:
    """Return a number that is nearly normal, by sums alone."""
    return sum(generator.random() for _ in range(12)) - 6


def bar_of(
    symbol: str, time: datetime, points: list[float], tick_size: Decimal, busy: float
) -> Bar:
    """Return the candle of the points that a price went through."""
    ticks = [
        max(tick_size, round_to_multiple(Decimal(point), tick_size))
        for point in (points[0], max(points), min(points), points[-1])
    ]
    return Bar(Candle(symbol, time, *ticks), Decimal(int(QUIET_TRADE * busy)))
