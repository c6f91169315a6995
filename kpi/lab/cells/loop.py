"""One cell: a population under one policy, step by step through a tape.

Order within a step, as in the exchange: marks, then close-outs by account (each account's fee
reaches the fund before it pays), then agents at that mark. A fill is at the step's mark, never at
the level that was reached. What forced trades move shows at the steps after.
"""

from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.behaviour import Agents
from kpi.lab.cells.impact import Impact
from kpi.lab.cells.outcome import Bars, Books, Outcome
from kpi.lab.cells.recorder import Recorder
from kpi.lab.cells.watch import NEVER, Levels, Reached, Watch
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import ImpactSpec, LabPolicy
from kpi.lab.inputs.tape import Tape
from risk.arrays.books import Book
from risk.arrays.closing import close_out, cover
from risk.arrays.orders import Orders, place
from risk.arrays.rules import Rules
from risk.arrays.units import UNITS, OutOfRange

Whole = NDArray[np.int64]

#: Bars that one search covers: longer blocks are searched less often, and watch more accounts.
BLOCK: Final = 16
#: What the totals of all accounts are held to, in units.
MOST_TOGETHER: Final = 9e18
NOBODY: Final = np.empty(0, dtype=np.int64)


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
    cell = Cell(tape, population, policy, Impact(impact, tape, baseline), fund, stickiness)
    for bar in range(len(tape.volume)):
        cell.run_bar(bar)
    return cell.outcome()


class Cell:
    """The state of one cell between two steps."""

    def __init__(
        self,
        tape: Tape,
        population: Population,
        policy: LabPolicy,
        impact: Impact,
        fund: int,
        stickiness: float,
    ) -> None:
        refuse_above_64_bits(population.balance.astype(np.float64)[:, None])
        self.tape, self.impact, self.population = tape, impact, population
        self.rules = Rules.of(policy.policy)
        self.book = opening_book(tape, population)
        self.agents = Agents(population, self.rules, tape, stickiness)
        self.levels = Levels(
            self.book, self.rules.threshold, self.agents.stop.copy(), self.agents.top_up.copy()
        )
        self.watch, self.record = Watch(self.levels), Recorder(self.book, tape)
        self.fund = self.fund_start = self.fund_minimum = fund
        self.fund_empty_step, self.house, self.bad_debt, self.stops = -1, 0, 0, 0
        self.top_ups = np.zeros(len(population.balance), dtype=np.int64)
        self.reserved = int(self.book.reserved_notional.sum())
        self.gross, self.net = np.abs(self.book.lots).sum(axis=1), self.book.lots.sum(axis=1)
        self.touched: list[Whole] = []
        steps = len(tape.marks)
        self.looks = np.arange(steps) % policy.cadence == 0
        self.bar_start = np.searchsorted(tape.bar, np.arange(len(tape.volume) + 1)).tolist()
        self.block_end = 0

    def run_bar(self, bar: int) -> None:
        """Go through the steps of a bar, from one that does something to the next."""
        first, last = self.bar_start[bar], self.bar_start[bar + 1]
        step, waiting = first, True
        marks = self._marks(bar, step)
        while step < last:
            reached = self.watch.first(marks, self.looks[step:last])
            now = marks[-1]
            if reached is None and not waiting:
                break
            offset = 0 if waiting or reached is None else reached.offset
            if reached is not None and reached.offset > offset:
                reached = None
            forced = self._act(step + offset, marks[offset], reached, bar if waiting else None)
            step, waiting = step + offset + 1, False
            marks = self._marks(bar, step) if forced and step < last else marks[offset + 1 :]
        open_interest = (self.gross + self.net) // 2, (self.gross - self.net) // 2
        self.record.bar_ends(bar, last - 1, now, open_interest, self.fund)

    def _marks(self, bar: int, step: int) -> Whole:
        """Return the marks of the bar from a step on, and watch who may fall at them."""
        marks = self.impact.marks(step, self.bar_start[bar + 1])
        if step >= self.block_end or (self.impact.moves_marks and not self.watch.holds(marks)):
            self.block_end = self.bar_start[min(bar + BLOCK, len(self.bar_start) - 1)]
            low, high = self.impact.box(step, self.block_end)
            low, high = np.minimum(low, marks.min(axis=0)), np.maximum(high, marks.max(axis=0))
            self.watch.search(low, high)
        return marks

    def _act(self, step: int, marks: Whole, reached: Reached | None, bar: int | None) -> bool:
        """Do what one step does: close-outs, then agents; those due where a bar begins too.

        Return whether trades were forced, which move the marks to come.
        """
        stopped = NOBODY
        if reached is not None:
            if len(reached.in_breach):
                self._close_out(step, marks, reached.in_breach)
            stopped = self._react(marks, reached.at_own_level)
        if bar is not None or len(stopped):
            for orders in self.agents.orders(bar, self.book, marks, stopped):
                self._place(step, marks, orders, stopped)
        if self.touched:
            self.watch.changed(distinct(self.touched))
            self.touched = []
        return reached is not None

    def _close_out(self, step: int, marks: Whole, rows: Whole) -> None:
        before = self.book.lots[:, rows]
        closed = close_out(self.book, self.rules, rows, marks)
        paid, bad_debt, self.fund = cover(closed.deficit, closed.fee, self.fund)
        self.fund_minimum = min(self.fund_minimum, self.fund)
        if bad_debt.any():
            self.bad_debt += int(bad_debt.sum())
            self.fund_empty_step = step if self.fund_empty_step < 0 else self.fund_empty_step
        self.record.closed(step, closed, paid, bad_debt)
        self.house -= int(closed.legs.realized.sum())
        self.reserved = self.reserved and int(self.book.reserved_notional.sum())
        self._moved(before, rows, step, marks, forced=True)

    def _react(self, marks: Whole, rows: Whole) -> Whole:
        """Pay in what agents top up with, and return the rows of those whose stop is reached."""
        rows = rows[self.book.lots[:, rows].any(axis=0)]
        if not len(rows):
            return NOBODY
        paying = rows[self.book.equity(marks, rows) < self.levels.top_up[rows]]
        if len(paying):
            amount = self.agents.top_up_amount[paying]
            self.book.balance[paying] += amount
            self.top_ups[paying] += amount
            self.levels.top_up[paying] = NEVER
        stopped = rows[self.book.equity(marks, rows) < self.levels.stop[rows]]
        self.levels.stop[stopped] = NEVER
        self.stops += len(stopped)
        self.touched.append(rows)
        return stopped

    def _place(self, step: int, marks: Whole, orders: Orders, stopped: Whole) -> None:
        rows, before = orders.rows, self.book.lots[:, orders.rows]
        placed = place(self.book, self.rules, orders, marks, self._exposure(marks))
        unit = self.book.instruments.unit[orders.instrument]
        self.record.placed(placed, unit * np.abs(placed.filled) * marks[orders.instrument])
        self.house += int(placed.fee.sum() - placed.realized.sum())
        self._moved(
            before, rows, step, marks, forced=np.isin(rows, stopped) if len(stopped) else False
        )

    def _exposure(self, marks: Whole) -> int:
        values = (self.book.instruments.unit * marks).tolist()
        return sum(map(mul, self.gross.tolist(), values)) + self.reserved

    def _moved(
        self,
        before: Whole,
        rows: Whole,
        step: int,
        marks: Whole,
        *,
        forced: bool | NDArray[np.bool_],
    ) -> None:
        """Follow what accounts hold now: open interest, who is to be watched, and the flow."""
        after = self.book.lots[:, rows]
        bought = after - before
        self.gross += (np.abs(after) - np.abs(before)).sum(axis=1)
        self.net += bought.sum(axis=1)
        if forced is not False and self.impact.is_on:
            lots = (bought * forced).sum(axis=1)
            self.impact.add(step, lots * self.book.instruments.unit * marks)
        self.touched.append(rows)

    def outcome(self) -> Outcome:
        """Return what has happened, with the books as they are."""
        exposure = exposures(self.record.bars, self.book)
        peak = int(exposure.argmax())
        return Outcome(
            close_outs=self.record.close_outs(),
            legs=self.record.legs(),
            bars=self.record.bars,
            samples=tuple(self.record.samples),
            books=self._books(),
            orders=self.record.orders,
            refused=dict(self.record.refused),
            volume=self.record.volume,
            fund_start=self.fund_start,
            fund_minimum=self.fund_minimum,
            fund_empty_step=self.fund_empty_step,
            peak_exposure=int(exposure[peak]),
            peak_bar=peak,
            stops=self.stops,
            impact=self.impact.path,
            opening=self.population.balance,
            top_ups=self.top_ups,
            balance_end=self.book.balance,
            equity_end=self.book.equity(self.record.bars.marks[:, -1]),
        )

    def _books(self) -> Books:
        opening, top_ups = int(self.population.balance.sum()), int(self.top_ups.sum())
        return Books(
            deposits=opening + top_ups + self.fund_start,
            balances=int(self.book.balance.sum()),
            fund=self.fund,
            house=self.house,
            bad_debt=self.bad_debt,
        )


def distinct(parts: list[Whole]) -> Whole:
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))


def opening_book(tape: Tape, population: Population) -> Book:
    """Return the books before the first step; the population itself stays as it is."""
    return Book(
        instruments=tape.instruments,
        tier=population.tier,
        balance=population.balance.copy(),
        lots=population.lots.copy(),
        cost=population.cost.copy(),
        margin=population.margin.copy(),
        reserved_margin=population.reserved_margin.copy(),
        reserved_notional=population.reserved_notional.copy(),
        suspended=population.suspended,
    )


def exposures(bars: Bars, book: Book) -> Whole:
    """Return the notional of all open positions at the end of each bar [B], in units."""
    lots = bars.long_lots + bars.short_lots
    values = bars.marks * book.instruments.unit[:, None]
    refuse_above_64_bits(lots.astype(np.float64) * values.astype(np.float64))
    return (lots * values).sum(axis=0)


def refuse_above_64_bits(parts: NDArray[np.float64]) -> None:
    """Raise OutOfRange where a total of all accounts, of parts [.., n], leaves 64 bits."""
    if parts.sum(axis=0).max(initial=0.0) > MOST_TOGETHER:
        raise OutOfRange(
            f"All accounts together own or hold more than {int(MOST_TOGETHER) // UNITS:,} USDT: "
            "take fewer of them, or poorer ones."
        )
