"""The orders of several bars of a cell, placed together and kept up to one of them."""

import numpy as np

from kpi.lab.cells.cell import Cell
from kpi.lab.cells.watch import NOBODY
from risk.arrays.placing import place
from risk.arrays.units import Whole


class Batch:
    """What is ordered in bars from one on; ``at`` is the bar of each order, from 0.

    No account may order twice.
    """

    def __init__(self, cell: Cell, bar: int, marks: Whole) -> None:
        """Take the marks [b, I] at which the bars begin."""
        self.cell, self.marks = cell, marks
        self.bands = cell.ranges.bands(bar, marks)
        self.orders, self.at = cell.agents.due(bar, cell.book, marks, NOBODY, self.bands)
        self._before = cell.book.held_by(self.orders.rows)

    def place(self) -> None:
        """Place all, each at the marks of its bar. Raises OutOfRange with the book as it was."""
        cell, exposures = self.cell, self.cell.exposures(self.marks)
        totals = [exposures[bar] for bar in self.at.tolist()]
        bands = None if self.bands is None else self.bands[self.at].T
        marks = self.marks[self.at].T
        if cell.throttle is not None:
            cell.throttle.begin()  # one fill of an account, in whichever bar, holds nobody back
        self._placed = place(
            cell.book, cell.rules, self.orders, marks, totals, bands, throttle=cell.throttle
        )

    def keep(self, bar: int, bars: int, ends: Whole) -> None:
        """Write down what the first so many bars did, which end at marks [b, I]; undo the rest."""
        cell, count = self.cell, int(np.searchsorted(self.at, bars))
        rows, undone = self.orders.rows[:count], self.orders.rows[count:]
        cell.book.take_back(undone, [column[..., count:] for column in self._before])
        cell.levels.update(undone)
        if not bars:
            return
        placed = self._placed.first(count)
        cell.booked(placed)
        cell.watch.changed(rows)
        gross = self._course(cell.gross, placed.opened - placed.closed, bars)
        net = self._course(cell.net, placed.filled, bars)
        cell.gross, cell.net = gross[:, -1], net[:, -1]
        cell.bars_end(bar, ends[:bars], gross, net)

    def _course(self, lots: Whole, changes: Whole, bars: int) -> Whole:
        """Return lots [I] at the end of each bar [I, b], as orders change them."""
        course = np.zeros((len(lots), bars), np.int64)
        count = len(changes)
        np.add.at(course, (self.orders.instrument[:count], self.at[:count]), changes)
        return lots[:, None] + course.cumsum(axis=1)
