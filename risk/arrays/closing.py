"""Close-outs of many accounts at one step's marks, by the rule of ``risk.closing``.

It goes by rounds: in each, of every account that goes on, the position that closes next. Accounts
that reducing brings back are looked at one by one before.
"""

from dataclasses import dataclass, fields

import numpy as np

from risk.arrays.books import Book, of, refuse_above
from risk.arrays.maintenance import Required, requirements
from risk.arrays.reducing import Part, Position, Progress
from risk.arrays.rules import Rules
from risk.arrays.units import Flags, Whole, ceil_times_rate, times_rate

#: Above any gain, so that what is not held comes last.
NOT_HELD = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """What closed: by close-out, whose index ``close_out`` is, in the order of closing.

    ``lots`` are those that closed, signed as they were held. The account's figures are those before
    the leg.
    """

    close_out: Whole
    row: Whole
    instrument: Whole
    lots: Whole
    mark: Whole
    realized: Whole
    fee: Whole
    balance_before: Whole
    equity_before: Whole
    margin_before: Whole


NO_LEGS = np.empty((len(fields(Legs)), 0), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class CloseOuts:
    """What close-outs did, an account each; ``deficit`` is what others have to pay of it."""

    rows: Whole
    balance_before: Whole
    equity_before: Whole
    margin_before: Whole
    deficit: Whole
    fee: Whole
    balance_after: Whole
    legs: Legs


def close_out(book: Book, rules: Rules, rows: Whole, marks: Whole) -> CloseOuts:
    """Close positions at marks [I] as far as the mode goes, cancel orders, lift balances to zero.

    Raises OutOfRange, with the book as it was, where a balance would be too large.
    """
    accounts = Closing(book, rules, rows, marks)
    balance_before, equity_before, margin_before = accounts.standing.copy()
    legs = Legs(*accounts.close())
    balance, equity, _ = accounts.standing
    refuse_above(balance, "balance", rows)
    for held in (book.lots, book.cost, book.margin):
        held[legs.instrument, legs.row] = 0
    if accounts.reduced:
        accounts.keep_rest(book)
    book.balance[rows] = balance_after = np.maximum(balance, 0)
    book.reserved_margin[rows] = book.reserved_notional[rows] = 0
    return CloseOuts(
        rows=rows,
        balance_before=balance_before,
        equity_before=equity_before,
        margin_before=margin_before,
        deficit=balance_after - balance,
        fee=equity_before - equity,
        balance_after=balance_after,
        legs=legs,
    )


class Closing:
    """Accounts that close out. ``standing`` is [3, n]: their balances, equities and margins."""

    def __init__(self, book: Book, rules: Rules, rows: Whole, marks: Whole) -> None:
        self.rules, self.rows, self.marks = rules, rows, marks
        self.values = book.lot_values(marks)
        self.lots, self.margin = of(book.lots, rows), of(book.margin, rows)
        self.cost = of(book.cost, rows)
        self.gains = self.lots * self.values[:, None] - self.cost
        self.by_symbol, self.min_notional = (
            book.instruments.by_symbol,
            book.instruments.min_notional,
        )
        self.reduced: list[tuple[int, Part]] = []
        self.required = requirements(rules.requirement, book.instruments.symbols)
        if self.required.follow_marks:
            notional = np.abs(self.lots) * self.values[:, None]
            each = self.required.each(notional, self.margin)
            self.each_required = np.array(each).swapaxes(0, 1)
            self.all_required = self.each_required.sum(axis=1)
        balance = book.balance[rows]
        equity = balance + self.gains.sum(axis=0)
        self.standing = np.array([balance, equity, self.margin.sum(axis=0)])

    def close(self) -> Whole:
        """Close what must close and return the columns of the legs."""
        going, rounds, turns = np.arange(len(self.rows)), list[Whole](), self.in_turn()
        if self.rules.reduces:
            legs, going = self.reduce(turns)
            rounds.append(legs)
        for instruments in turns:
            going = going[self.goes_on(instruments, going)]
            if len(going) == 0:
                break
            rounds.append(self.close_next(instruments, going))
        legs = np.concatenate(rounds or [NO_LEGS], axis=1)
        return legs.take(legs[0].argsort(kind="stable"), axis=1)

    def reduce(self, turns: Whole) -> tuple[Whole, Whole]:
        """Reduce positions of accounts that this brings back; return the legs, and who goes on."""
        legs, going = list[tuple[int, ...]](), list[int]()
        for at, turn in enumerate(turns.T.tolist()):
            held = [self.position(instrument, at) for instrument in turn]
            balance, equity, margin = self.standing[:, at].tolist()
            begun = Progress(self.required, balance, equity, margin)
            found = begun.reduce(self.rules, [one for one in held if one])
            if found is None:
                going.append(at)
                continue
            for part in found.parts:
                row, mark = int(self.rows[at]), int(self.marks[part.instrument])
                done = (part.closed, mark, part.realized, part.fee, *part.before)
                legs.append((at, row, part.instrument, *done))
                self.reduced.append((row, part))
            self.standing[:, at] = found.balance, found.equity, found.margin
        columns = np.array(legs, np.int64).reshape(len(legs), len(NO_LEGS)).T
        return columns, np.array(going, np.int64)

    def position(self, instrument: int, at: int) -> Position | None:
        """Return what an account holds of an instrument, if anything."""
        lots = int(self.lots[instrument, at])
        figures = (array[instrument, at] for array in (self.cost, self.margin))
        prices = (self.values[instrument], self.min_notional[instrument])
        return Position(instrument, lots, *map(int, (*figures, *prices))) if lots else None

    def keep_rest(self, book: Book) -> None:
        """Write down what is left of positions that were reduced."""
        for row, part in self.reduced:
            at = part.instrument, row
            book.lots[at], book.cost[at], book.margin[at] = part.lots, part.cost, part.margin

    def in_turn(self) -> Whole:
        """Return [I, n] the instruments of each account: largest loss first, then by symbol."""
        gains = np.where(self.lots != 0, self.gains, NOT_HELD)[self.by_symbol]
        return self.by_symbol[gains.argsort(axis=0, kind="stable")]

    def close_next(self, instruments: Whole, going: Whole) -> Whole:
        """Close one position of each of some accounts, and return these legs."""
        instrument = instruments[going]
        lots, gain = self.lots[instrument, going], self.gains[instrument, going]
        balance, equity, margin = before = of(self.standing, going)
        balance = balance + gain
        whole_fee = times_rate(np.abs(lots) * self.values[instrument], self.rules.fee_rate)
        fee = np.minimum(whole_fee, np.maximum(balance, 0))
        margin = margin - self.margin[instrument, going]
        self.standing[:, going] = balance - fee, equity - fee, margin
        if self.required.follow_marks:
            self.all_required[:, going] -= self.each_required[:, instrument, going]
        marks, rows = self.marks[instrument], self.rows[going]
        return np.array([going, rows, instrument, lots, marks, gain, fee, *before])

    def goes_on(self, instruments: Whole, going: Whole) -> Flags:
        """Tell which accounts have a position left and must close it."""
        held = self.lots[instruments[going], going] != 0
        if not self.rules.partly:
            return held
        balance, equity, margin = of(self.standing, going)
        if self.required.follow_marks:
            needed = Required(*self.all_required[:, going]).rounded_up
        else:
            needed = ceil_times_rate(margin, self.rules.threshold)
        return held & ((balance < 0) | (equity < needed))


def cover(deficit: Whole, fee: Whole, fund: int) -> tuple[Whole, Whole, int]:
    """Return what the insurance fund pays of each deficit, the bad debt, and the fund after all.

    One after the other, each after the account's own fee has reached the fund.
    """
    paid = []
    for wanted, charged in zip(deficit.tolist(), fee.tolist(), strict=True):
        fund += charged
        paid.append(min(max(fund, 0), wanted))
        fund -= paid[-1]
    covered = np.array(paid, dtype=np.int64)
    return covered, deficit - covered, fund
