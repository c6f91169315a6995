"""What accounts have sent by now in one bar of a tape, where a control asks for it."""

import numpy as np

from risk.arrays.units import LARGEST, Flags, Whole


class Sent:
    """The value of each account's accepted orders, by row, and the orders themselves."""

    def __init__(self, accounts: int) -> None:
        self.value = np.zeros(accounts, np.int64)
        self._orders: set[tuple[int, int, int]] = set()

    def add(self, rows: Whole, instrument: Whole, lots: Whole, value: Whole) -> None:
        """Take in accepted orders, at most one an account, with what they count for."""
        self.value[rows] = np.minimum(self.value[rows] + value, LARGEST)
        self._orders.update(zip(rows.tolist(), instrument.tolist(), lots.tolist(), strict=True))

    def twins(self, rows: Whole, instrument: Whole, lots: Whole) -> Flags:
        """Tell which orders equal an earlier one of their account."""
        asked = zip(rows.tolist(), instrument.tolist(), lots.tolist(), strict=True)
        return np.array([order in self._orders for order in asked], bool)
