"""What agents order: entries, exits when their time is over, and stops.

Whatever they intend was drawn before any policy was known (``inputs.population``); here it meets
the policy's leverage limits and the marks. All order at market, at the first step of a bar, but
stops, which go out at the step that reaches them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kpi.lab.cells.watch import NEVER
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.tape import Tape
from risk.arrays.books import Book
from risk.arrays.maintenance import Requirements, requirements
from risk.arrays.orders import Orders
from risk.arrays.rules import Rules
from risk.arrays.units import UNITS, Whole

#: Amounts and multiples are cut to four places before they meet, so that products fit 64 bits.
CUT = 10_000
#: The share of the balance that an agent ties up at most, in 1e-4.
MOST_TIED_UP = 9_500
#: No agent wants more leverage than this.
MOST_WANTED = 1_000


class Agents:
    """The agents of one cell: their schedule by bar, their levels, and what they order.

    The schedule stands in the order of bars, accounts, and exits before entries.
    """

    def __init__(self, population: Population, rules: Rules, tape: Tape, stickiness: float) -> None:
        entries, bars = population.entries, len(tape.volume)
        self.stop = level(population.balance, population.stop)
        self.top_up = level(population.balance, population.top_up)
        self.top_up_amount = population.top_up_amount
        bar = np.concatenate([bars_of(tape, entries.exit_time), bars_of(tape, entries.time)])
        order, number = in_order(bar, np.tile(entries.row, 2), bars)
        self._row, self._instrument = (
            entries.row[number].astype(np.int64),
            entries.instrument[number],
        )
        self._is_exit = order < len(entries.row)
        self._is_sized = ~self._is_exit & (entries.lots[number] == 0)
        # Each by band of volatility, in the order of the schedule: [bands, entries].
        by = requirements(rules.requirement, tape.instruments.symbols)
        asked = [
            wishes(population, rules, by, stickiness, band) for band in range(len(rules.by_band))
        ]
        used, self._wanted = (np.stack(columns)[:, number] for columns in zip(*asked, strict=True))
        self._most = MOST_TIED_UP * used
        self._lots = np.where(
            self._is_sized, np.where(entries.long[number], 1, -1), entries.lots[number]
        )
        self._leverage = np.where(
            self._is_exit, 0, np.where(self._is_sized, used, entries.leverage[number])
        )
        self._bar = bar[order]
        self._start = np.searchsorted(self._bar, np.arange(bars + 1)).tolist()
        self._again = latest(self._bar, self._row, bars)

    def orders(
        self,
        bar: int | None,
        book: Book,
        marks: Whole,
        stopped: Whole,
        bands: Whole | None,
    ) -> Iterator[Orders]:
        """Yield what is ordered at marks [I], at most one order an account at a time.

        Accounts in ``stopped`` close all that they hold; ``bar`` is the one that begins, if any, in
        ``bands`` [1, I].
        """
        parts = [closing(book, stopped, i) for i in range(len(book.lots))] if len(stopped) else []
        if bar is not None:
            parts.append(self.due(bar, book, marks[None], stopped, bands)[0])
        yield from rounds(parts[0] if len(parts) == 1 else merged(parts))

    def once(self, bar: int, last: int) -> int:
        """Return the bar up to which, from one to a last, each account orders once at most."""
        again = self._again[bar:last] >= bar
        return bar + int(again.argmax()) if again.any() else last

    def due(
        self, bar: int, book: Book, marks: Whole, stopped: Whole, bands: Whole | None
    ) -> tuple[Orders, Whole]:
        """Return what is due in bars from one on that begin at marks [b, I], and the bar of each,
        counted from the first; of accounts as they are in the book, in ``bands`` [b, I] if any.
        """
        due = slice(self._start[bar], self._start[bar + len(marks)])
        rows, instrument, is_exit = self._row[due], self._instrument[due], self._is_exit[due]
        at, held = self._bar[due] - bar, book.lots[instrument, rows]
        of_a_lot = (book.instruments.unit * marks)[at, instrument]
        band = 0 if bands is None else bands[at, instrument]
        entry = (band, due if bands is None else np.arange(due.start, due.stop))
        most = book.balance[rows] // CUT * self._most[entry]
        sized = np.minimum(self._wanted[entry], most) // of_a_lot
        lots = np.where(self._is_sized[due], sized, 1) * self._lots[due]
        lots = np.where(is_exit, -held, lots)
        goes = lots != 0
        if len(stopped):
            goes &= ~(is_exit & np.isin(rows, stopped))
        leverage = self._leverage[entry]
        return keep(Orders(rows, instrument, lots, leverage, is_exit), goes), at[goes]


def wishes(
    population: Population, rules: Rules, by: Requirements, stickiness: float, band: int = 0
) -> tuple[Whole, Whole]:
    """Return what each entry sized by its budget asks for: leverage, and notional in units.

    In a band of volatility agents want what its leverage leaves them, as of any cap; by maintenance
    brackets the most that the bracket of what they want by it allows.
    """
    entries, highest = population.entries, rules.by_band[band]
    leverage, notional = capped(population, highest, stickiness)
    for number, ladder in enumerate(by.ladders):
        if ladder is None:
            continue
        own = entries.instrument == number
        for most in ladder.max_leverage.tolist():
            allowed = ladder.max_leverage[ladder.bracket(notional)]
            too_high = own & (leverage > allowed)
            if not too_high.any():
                break
            less = capped(population, np.minimum(highest, most), stickiness)
            leverage = np.where(too_high, less[0], leverage)
            notional = np.where(too_high, less[1], notional)
    return leverage, notional


def capped(population: Population, highest: Whole, stickiness: float) -> tuple[Whole, Whole]:
    """Return leverage and notional of each entry where tiers have a highest leverage."""
    entries, wanted = population.entries, population.entries.leverage
    tier = population.tier[entries.row]
    multiple = multiples(highest, stickiness)[tier, np.minimum(wanted, MOST_WANTED)]
    return np.minimum(wanted, highest[tier]), entries.budget // CUT * multiple


def level(balance: Whole, share: Whole) -> Whole:
    """Return the equity below which an agent acts: a share of its opening balance, rounded up."""
    return np.where(share > 0, share_of(balance, share), NEVER)


def share_of(balance: Whole, share: Whole) -> Whole:
    whole, rest = np.divmod(balance, UNITS)
    return whole * share + -(-rest * share // UNITS)


def multiples(max_leverage: Whole, stickiness: float) -> Whole:
    """Return notional ÷ margin budget by tier and wanted leverage, in 1e-4.

    A cap C below a wanted leverage L leaves ``C · (L ÷ C)^stickiness``: at 0 the margin stays what
    it was and the notional shrinks, at 1 the notional stays and takes more margin.
    """
    wanted = np.arange(MOST_WANTED + 1)
    table = np.empty((len(max_leverage), len(wanted)), dtype=np.int64)
    for tier, cap in enumerate(max_leverage.tolist()):
        excess = np.maximum(wanted / cap, 1.0) ** stickiness
        table[tier] = np.rint(np.minimum(wanted, cap) * np.round(excess, 4) * CUT)
    return table


def bars_of(tape: Tape, times: Whole) -> Whole:
    """Return the first bar that opens at or after each time; the number of bars where none does."""
    steps = tape.step_at(times)
    never = (times < 0) | (steps >= len(tape.bar))
    return np.where(never, len(tape.volume), tape.bar[np.where(never, 0, steps)])


def in_order(bar: Whole, row: Whole, bars: int) -> tuple[Whole, Whole]:
    """Return the order by bar and account of what happens at all, and the entry of each."""
    order = np.lexsort((row, bar))
    order = order[bar[order] < bars]
    return order, order % (len(bar) // 2 or 1)


def latest(bar: Whole, row: Whole, bars: int) -> Whole:
    """Return, by bar, the latest one up to it in which an account ordered that does so again.

    −1 where there is none; ``bar`` and ``row`` are those of all orders, sorted by bar.
    """
    order = np.argsort(row, kind="stable")
    again = np.flatnonzero(row[order][1:] == row[order][:-1])
    found = np.full(bars, -1)
    np.maximum.at(found, bar[order[again + 1]], bar[order[again]])
    return found


def closing(book: Book, rows: Whole, instrument: int | Whole) -> Orders:
    """Return the reduce-only orders that close what accounts hold of an instrument."""
    instruments = np.broadcast_to(np.asarray(instrument, dtype=np.int8), rows.shape)
    lots = -book.lots[instruments, rows]
    none = np.zeros(len(rows), dtype=np.int64)
    return keep(Orders(rows, instruments, lots, none, np.ones(len(rows), bool)), lots != 0)


def keep(orders: Orders, chosen: NDArray[np.bool_]) -> Orders:
    if chosen.all():
        return orders
    return Orders(
        rows=orders.rows[chosen],
        instrument=orders.instrument[chosen],
        lots=orders.lots[chosen],
        leverage=orders.leverage[chosen],
        reduce_only=orders.reduce_only[chosen],
    )


def merged(parts: list[Orders]) -> Orders:
    """Return orders of several causes by account; an account's own keep their order."""
    columns = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "instrument", "lots", "leverage", "reduce_only")
    ]
    order = np.argsort(columns[0], kind="stable")
    return Orders(*(column[order] for column in columns))


def rounds(orders: Orders) -> Iterator[Orders]:
    """Yield orders by account, at most one of each at a time; an account's own keep their order."""
    while len(orders.rows):
        again = orders.rows[1:] == orders.rows[:-1]
        if not again.any():
            yield orders
            return
        first = np.concatenate([[True], ~again])
        yield keep(orders, first)
        orders = keep(orders, ~first)
