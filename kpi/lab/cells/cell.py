"""The state of one cell, and what its accounts undergo and do at a step: close-outs, stops, orders.

What forced trades move shows at the steps after.
"""

from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.behaviour import Agents
from kpi.lab.cells.impact import Impact, bar_seconds
from kpi.lab.cells.outcome import Bars, Books, Outcome
from kpi.lab.cells.ranges import Ranges
from kpi.lab.cells.recorder import Recorder
from kpi.lab.cells.watch import NEVER, NOBODY, Levels, Reached, Watch
from kpi.lab.errors import StudyError
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.tape import Tape
from risk.arrays.books import Book
from risk.arrays.closing import close_out, cover
from risk.arrays.maintenance import requirements
from risk.arrays.orders import Orders
from risk.arrays.placing import Placed, place
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.throttle import Throttle
from risk.arrays.units import UNITS, OutOfRange, Whole, total
from risk.policy import Policy

#: What the totals of all accounts are held to, in units.
MOST_TOGETHER: Final = 9e18
TOO_SHORT: Final = (
    "bars of {} s are too short for max_minute_value, duplicate_seconds or max_fills, which look "
    "back {} s: the lab adds up what an account orders in one bar; merge bars by aggregate."
)


class Cell:
    """Accounts under a policy, between two steps of a tape."""

    def __init__(
        self,
        tape: Tape,
        population: Population,
        policy: Policy,
        impact: Impact,
        fund: int,
        stickiness: float,
    ) -> None:
        refuse_above_64_bits(population.balance.astype(np.float64)[:, None])
        self.impact, self.population = impact, population
        self.rules = Rules.of(policy)
        self.book = opening_book(tape, population)
        self.ranges = Ranges(tape, self.rules, policy.volatility_window_minutes)
        self.agents = Agents(population, self.rules, tape, stickiness)
        self.levels = Levels(
            self.book,
            requirements(self.rules.requirement, tape.instruments.symbols),
            self.agents.stop.copy(),
            self.agents.top_up.copy(),
        )
        self.watch, self.record = Watch(self.levels), Recorder(self.book, tape)
        self.fund = self.fund_start = self.fund_minimum = fund
        self.fund_empty_step, self.house, self.bad_debt, self.stops = -1, 0, 0, 0
        self.top_ups = np.zeros(len(population.balance), dtype=np.int64)
        self.reserved = int(self.book.reserved_notional.sum())
        self.gross, self.net = np.abs(self.book.lots).sum(axis=1), self.book.lots.sum(axis=1)
        self.touched: list[Whole] = []
        self.sent: Sent | None = None
        self.throttle = throttle_of(self.rules, len(population.balance))
        looks_back = self.rules.looks_back
        if looks_back > bar_seconds(tape):
            raise StudyError("", "[tape]", TOO_SHORT.format(bar_seconds(tape), looks_back))

    def act(self, step: int, marks: Whole, reached: Reached | None, bar: int | None) -> None:
        """Do what one step does: close-outs, then agents; those due where a bar begins too."""
        stopped = NOBODY
        if reached is not None:
            if len(reached.in_breach):
                self._close_out(step, marks, reached.in_breach)
            stopped = self._react(marks, reached.at_own_level)
        if bar is not None and self.rules.window:
            self.sent = Sent(len(self.book.balance))
        if bar is not None and self.throttle is not None:
            self.throttle.begin()
        if bar is not None or len(stopped):
            bands = None if bar is None else self.ranges.bands(bar, marks[None])
            for orders in self.agents.orders(bar, self.book, marks, stopped, bands):
                self._place(step, marks, orders, stopped, None if bands is None else bands[0])
        if self.touched:
            self.watch.changed(distinct(self.touched))
            self.touched = []

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
        after = self.book.lots[:, rows]
        bought = (after - before).sum(axis=1)
        self.gross += (np.abs(after) - np.abs(before)).sum(axis=1)
        self.net += bought
        self._push(step, marks, bought)
        self.touched.append(rows)

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

    def _place(
        self, step: int, marks: Whole, orders: Orders, stopped: Whole, bands: Whole | None
    ) -> None:
        [exposure] = self.exposures(marks[None])
        placed = place(
            self.book, self.rules, orders, marks, exposure, bands, self.sent, self.throttle
        )
        self.booked(placed)
        of_each = np.arange(len(marks))[:, None] == orders.instrument
        self.gross += (of_each * (placed.opened - placed.closed)).sum(axis=1)
        self.net += (of_each * placed.filled).sum(axis=1)
        if len(stopped):
            forced = placed.filled * np.isin(orders.rows, stopped)
            self._push(step, marks, (of_each * forced).sum(axis=1))
        self.touched.append(orders.rows)

    def exposures(self, marks: Whole) -> list[int]:
        """Return the exposure of all at each of some marks [n, I]."""
        gross, values = self.gross.tolist(), (self.book.instruments.unit * marks).tolist()
        return [sum(map(mul, gross, value)) + self.reserved for value in values]

    def booked(self, placed: Placed) -> None:
        """Write down what orders did."""
        self.record.placed(placed)
        self.house += total(placed.fee) - total(placed.realized)

    def _push(self, step: int, marks: Whole, lots: Whole) -> None:
        """Let lots [I] that had to be traded move the marks to come."""
        if self.impact.is_on:
            self.impact.add(step, lots * self.book.instruments.unit * marks)

    def bars_end(self, bar: int, marks: Whole, gross: Whole, net: Whole) -> None:
        """Write down the ends of bars from one on: marks [b, I], Σ|lots| and Σ lots [I, b]."""
        self.record.bars_end(bar, marks, (gross + net) // 2, (gross - net) // 2, self.fund)

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


def throttle_of(rules: Rules, accounts: int) -> Throttle | None:
    """Return the throttle of so many accounts, where it is on."""
    return Throttle(accounts, rules.max_fills) if rules.max_fills else None


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
