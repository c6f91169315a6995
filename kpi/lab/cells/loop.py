"""One cell: a population under one policy, bar by bar through a tape.

Order within a step, as in the exchange: marks, then close-outs by account (each account's fee
reaches the fund before it pays), then agents at that mark. A fill is at the step's mark, never at
the level that was reached.

Accounts meet in two things only: in the exposure of all, and in the marks, which forced trades
move. So while nobody reaches a level and no account orders twice, the orders of many bars are
placed together, each at the marks of its own bar, with the outcome of one bar after the other.
"""

from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.batch import Batch
from kpi.lab.cells.cell import Cell
from kpi.lab.cells.impact import Impact
from kpi.lab.cells.outcome import Outcome
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import ImpactSpec, LabPolicy
from kpi.lab.inputs.tape import Tape
from risk.arrays.units import OutOfRange, Whole

#: Bars that one search covers: longer blocks are searched less often, and watch more accounts.
BLOCK: Final = 32


def run(
    tape: Tape,
    population: Population,
    policy: LabPolicy,
    *,
    impact: ImpactSpec,
    fund: int,
    stickiness: float = 0.0,
    baseline: NDArray[np.float64] | None = None,
) -> Outcome:
    """Return what a policy does; ``fund`` is the insurance fund's capital in units.

    ``baseline`` is the impact path of the policy that the tape happened under, in the differential
    mode of impact. Raises OutOfRange where an amount leaves what 64 bits hold.
    """
    moves = Impact(impact, tape, baseline)
    cell = Cell(tape, population, policy.policy, moves, fund, stickiness)
    loop, bar = Loop(cell, tape, policy.cadence), 0
    while bar < len(tape.volume):
        bar += loop.several(bar) or loop.one(bar)
    return cell.outcome()


class Loop:
    """Leads a cell through a tape."""

    def __init__(self, cell: Cell, tape: Tape, cadence: int) -> None:
        self.cell, self.bars = cell, len(tape.volume)
        self.steps = len(tape.marks) // self.bars
        self.looks = np.arange(len(tape.marks)) % cadence == 0
        self.block_end = 0
        #: Bars to be tried at once: fewer after one in which somebody reached a level.
        self.at_once = BLOCK

    def one(self, bar: int) -> int:
        """Go through a bar, from one step that does something to the next, and return 1."""
        cell, step, last = self.cell, bar * self.steps, (bar + 1) * self.steps
        marks, waiting, self.at_once = self._marks(bar, step, last), True, 2 * self.at_once
        seen = marks
        while step < last:
            reached = cell.watch.first(marks, self.looks[step:last])
            now = marks[-1]
            if reached is None and not waiting:
                break
            offset = 0 if waiting or reached is None else reached.offset
            if reached is not None and reached.offset > offset:
                reached = None
            cell.act(step + offset, marks[offset], reached, bar if waiting else None)
            step, waiting, marks = step + offset + 1, False, marks[offset + 1 :]
            if reached is not None:
                self.at_once = 1
                marks = self._marks(bar, step, last) if step < last else marks
                seen = np.concatenate([seen[: step - last], marks]) if step < last else seen
        self._saw(bar, seen)
        cell.bars_end(bar, now[None], cell.gross[:, None], cell.net[:, None])
        return 1

    def several(self, bar: int) -> int:
        """Go through the bars before the next in which somebody reaches a level; return how many.

        That is 0 where bars are better gone through one by one.
        """
        last, first = self._last(bar), bar * self.steps
        if last - bar < 2:
            return 0
        marks, before = self._marks(bar, first, last * self.steps), self.cell.watch.valued
        self._saw(bar, marks)
        batch = Batch(self.cell, bar, marks[:: self.steps])
        looks, quiet = self.looks[first : last * self.steps], 0
        with suppress(OutOfRange):  # the bar whose it is raises it, when its turn comes
            batch.place()
            rows, since = batch.orders.rows, batch.at * self.steps
            quiet = self.cell.watch.quiet(marks, looks, before, rows, since) // self.steps
        batch.keep(bar, quiet, marks[self.steps - 1 :: self.steps])
        self.at_once = 1 if bar + quiet < last else 2 * self.at_once
        return quiet

    def _saw(self, bar: int, marks: Whole) -> None:
        """Let ranges be of the marks of bars from one on where they are not the tape's."""
        if self.cell.impact.moves_marks:
            self.cell.ranges.saw(bar, marks.reshape(-1, self.steps, marks.shape[1]))

    def _last(self, bar: int) -> int:
        """Return the bar before which those end that are tried at once."""
        block_end = self.block_end if bar < self.block_end else bar + BLOCK
        last = min(bar + self.at_once, block_end, self.cell.record.next_sample(bar) + 1, self.bars)
        return self.cell.agents.once(bar, last)

    def _marks(self, bar: int, step: int, last: int) -> Whole:
        """Return the marks from a step of a bar to the last one, and watch who may fall at them."""
        impact, watch = self.cell.impact, self.cell.watch
        marks = impact.marks(step, last)
        if bar >= self.block_end or (impact.moves_marks and not watch.holds(marks)):
            self.block_end = min(bar + BLOCK, self.bars)
            low, high = impact.box(step, self.block_end * self.steps)
            watch.search(np.minimum(low, marks.min(axis=0)), np.maximum(high, marks.max(axis=0)))
        return marks
