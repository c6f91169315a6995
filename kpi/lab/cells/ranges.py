"""The bands of volatility that instruments are in, bar by bar: of the marks that a cell trades at.

A window counts minutes, as the exchange's does (``market.ranges``), and all steps of a bar are at
the minute in which it opens. It begins with the tape.
"""

from typing import Final

import numpy as np

from kpi.lab.inputs.tape import Tape
from risk.arrays.rules import Rules
from risk.arrays.units import LARGEST, Whole

MINUTE: Final = 60


class Ranges:
    """Lowest and highest mark of each bar [B, I], by the tape until the cell says otherwise."""

    def __init__(self, tape: Tape, rules: Rules, minutes: int) -> None:
        self.rules, self.are_asked = rules, bool(len(rules.bounds))
        steps = tape.marks.reshape(len(tape.volume), -1, tape.marks.shape[1])
        self._low, self._high = steps.min(axis=1), steps.max(axis=1)
        opens = tape.times[:: steps.shape[1]] // MINUTE
        self._first = np.searchsorted(opens, opens - minutes, side="right").tolist()

    def saw(self, bar: int, marks: Whole) -> None:
        """Take the marks [b, S, I] of bars from one on for what they were."""
        bars = slice(bar, bar + len(marks))
        self._low[bars], self._high[bars] = marks.min(axis=1), marks.max(axis=1)

    def bands(self, bar: int, marks: Whole) -> Whole | None:
        """Return the bands [b, I] of bars from one on as they begin at marks [b, I]."""
        if not self.are_asked:
            return None
        low, high = marks.copy(), marks.copy()
        for number, last in enumerate(range(bar, bar + len(marks))):
            before = slice(self._first[last], last)
            low[number] = np.minimum(low[number], self._low[before].min(axis=0, initial=LARGEST))
            high[number] = np.maximum(high[number], self._high[before].max(axis=0, initial=0))
        return self.rules.bands(low, high)
