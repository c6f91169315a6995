"""The throttle of repeated execution over many accounts: their fills in one bar of a tape."""

import numpy as np

from risk.arrays.units import Flags, Whole


class Throttle:
    """How many fills of each account count in this bar, and which may only reduce since one."""

    def __init__(self, accounts: int, most: int) -> None:
        self.held: Flags = np.zeros(accounts, np.bool_)
        self._fills, self._most = np.zeros(accounts, np.int64), most

    def begin(self) -> None:
        """Begin another bar, in which those of the last are out of the window."""
        self._fills[:] = 0

    def note(self, rows: Whole) -> None:
        """Count a fill of each of some accounts."""
        self._fills[rows] += 1
        self.held[rows] |= self._fills[rows] >= self._most
