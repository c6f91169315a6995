"""Recorded prices as a table of marks: one row a step, one column an instrument."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tape:
    """The way of all prices, step by step; every bar has the same number of steps.

    ``marks`` are ticks [S, I]; ``times`` the open time of a step's bar, in seconds since 1970 [S],
    ``bar`` its number [S]; ``volume`` what was traded in a bar, base asset × close, in USDT [B, I].
    ``rows`` is the number of bars, ``start`` and ``end`` when the first one opens and the last one
    closes.
    """

    instruments: Any
    marks: NDArray[np.int64]
    times: NDArray[np.int64]
    bar: NDArray[np.int32]
    volume: NDArray[np.float64]
    sha256: str
    rows: int
    start: datetime
    end: datetime

    def step_at(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first step whose bar opens at or after each time; the number of steps if none.

        ``times`` of the tape itself never fall.
        """
        return np.searchsorted(self.times, times, side="left")
