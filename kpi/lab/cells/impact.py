"""Price impact of forced trades: close-outs and stops move the marks of the steps after them.

``I = Y · σ · sgn(F) · √(|F| · w ÷ V)``: the square-root law (Donier and Bonart, "A million
metaorder analysis of market impact on the Bitcoin", 2015, arXiv 1412.4503), of a decayed signed
flow F in USDT, so that slicing a trade does not change what it moves. σ is the tape's daily
volatility, V the notional volume of the day up to the bar, w what one USDT of the population stands
for in the market. Y, w and F's half-life are assumptions.

``absolute`` adds the impact to the tape. ``differential`` takes the tape for what the market did
under the baseline policy, whose own impact it thus holds already: another policy trades at
``tape × exp(I − I of the baseline)``. Floats only here, and only in sums, products and roots, which
every machine rounds alike; a mark is a whole number of ticks again.
"""

from itertools import pairwise
from math import log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.inputs.specs import ImpactSpec
from kpi.lab.inputs.tape import Tape
from risk.arrays.units import UNITS, Whole

DAY: Final = 86_400
#: Flows below so many USDT are over: they move no mark by a tick.
LEAST_FLOW: Final = 1.0
#: Steps beyond the box that a block was searched in, as log price, before it is searched anew.
ROOM: Final = 0.004
#: 1 ÷ n! of the exponential's series, highest power first; exact to 1e-10 where |x| ≤ 0.3.
SERIES: Final = tuple(1.0 / n for n in (40_320, 5_040, 720, 120, 24, 6, 2, 1, 1))

Real = NDArray[np.float64]


class Impact:
    """The marks that a cell trades at, step by step; ``path`` is the impact as it went."""

    def __init__(self, spec: ImpactSpec, tape: Tape, baseline: Real | None = None) -> None:
        self.tape = tape
        self.is_on = spec.mode != "none"
        self.moves_marks = spec.mode == "absolute" or baseline is not None
        self.path = np.zeros(tape.marks.shape) if self.is_on else None
        self._flow = np.zeros(tape.marks.shape[1])
        self._at = 0
        self._baseline = baseline
        if self.is_on:
            steps_a_bar = len(tape.marks) // len(tape.volume)
            seconds = bar_seconds(tape) / steps_a_bar
            self._decay = powers(0.5 ** (seconds / (float(spec.half_life_minutes) * 60)), tape)
            scale = float(spec.y) * sqrt(float(spec.weight))
            self._factor = scale * volatility(tape) / np.sqrt(volume_of_a_day(tape))

    def marks(self, first: int, last: int) -> Whole:
        """Return the marks of steps ``first`` to ``last`` [n, I], if nothing is forced before."""
        tape = self.tape.marks[first:last]
        if not self.is_on:
            return tape
        own = self._own(first, last)
        assert self.path is not None
        self.path[first:last] = own
        if not self.moves_marks:
            return tape
        move = own if self._baseline is None else own - self._baseline[first:last]
        return moved(tape, move) if move.any() else tape

    def _own(self, first: int, last: int) -> Real:
        if not self._flow.any():
            return np.zeros((last - first, len(self._flow)))
        flow = self._decay[first - self._at : last - self._at, None] * self._flow
        root = np.sqrt(np.abs(flow)) * self._factor[self.tape.bar[first:last]]
        return np.copysign(root, flow)

    def add(self, step: int, notional: Whole) -> None:
        """Add signed notional [I] in units, above zero where bought; moves the marks to come."""
        if not self.is_on:
            return
        flow = self._flow * self._decay[step - self._at] + notional / UNITS
        self._flow = np.where(np.abs(flow) < LEAST_FLOW, 0.0, flow)
        self._at = step

    def box(self, first: int, last: int) -> tuple[Whole, Whole]:
        """Return lowest and highest marks [I] that steps may have while little is forced."""
        tape = self.tape.marks[first:last]
        low, high = tape.min(axis=0), tape.max(axis=0)
        if not self.moves_marks:
            return low, high
        own = self._own(first, first + 1)[0]
        least, most = np.minimum(own, 0.0) - ROOM, np.maximum(own, 0.0) + ROOM
        if self._baseline is not None:
            least = least - self._baseline[first:last].max(axis=0)
            most = most - self._baseline[first:last].min(axis=0)
        return moved(low, least), moved(high, most)


def moved(marks: Whole, move: Real) -> Whole:
    """Return marks moved by a log price, in whole ticks and at least one."""
    moved_marks = np.floor(marks * exponential(move) + 0.5).astype(np.int64)
    return np.maximum(moved_marks, 1)


def exponential(x: Real) -> Real:
    """Return e to the power of ``x``, by its series: libraries differ in the last bit of theirs."""
    total = np.full_like(x, SERIES[0])
    for coefficient in SERIES[1:]:
        total = total * x + coefficient
    return total


def powers(base: float, tape: Tape) -> Real:
    """Return 1, base, base² … for every distance of two steps, by products alone."""
    factors = np.full(len(tape.marks) + 1, round(base, 12))
    factors[0] = 1.0
    return np.multiply.accumulate(factors)


def bar_seconds(tape: Tape) -> int:
    return int(tape.times[tape.bar == 1][0] - tape.times[0]) if len(tape.volume) > 1 else DAY


def volatility(tape: Tape) -> Real:
    """Return the standard deviation of a day's log return by instrument, from all bars."""
    last = np.flatnonzero(np.diff(tape.bar, append=tape.bar[-1] + 1))
    bars_a_day = DAY / bar_seconds(tape)
    return np.array([daily(closes, bars_a_day) for closes in tape.marks[last].T.tolist()])


def daily(closes: list[int], bars_a_day: float) -> float:
    returns = [log(after / before) for before, after in pairwise(closes)]
    mean = sum(returns) / max(len(returns), 1)
    variance = sum((one - mean) ** 2 for one in returns) / max(len(returns) - 1, 1)
    return round(sqrt(variance * bars_a_day), 6)


def volume_of_a_day(tape: Tape) -> Real:
    """Return the USDT that changed hands in the day up to each bar [B, I]; at least one."""
    bars = max(DAY // bar_seconds(tape), 1)
    total = np.cumsum(tape.volume, axis=0)
    before = np.vstack([np.zeros((1, total.shape[1])), total[:-1]])
    start = np.maximum(np.arange(len(total)) - bars + 1, 0)
    span = (np.arange(len(total)) - start + 1)[:, None]
    return np.maximum(np.floor((total - before[start]) * (bars / span)), 1.0)
