"""Market orders of many accounts at one step's marks: held against the rules, filled, booked.

By the rules of ``risk.engine``, ``risk.execution`` and ``risk.fills``, as if one were booked after
the other. An order fills at the mark, at once.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from risk.arrays.books import Book, of, refuse_above
from risk.arrays.rules import Rules
from risk.arrays.units import (
    LARGEST,
    UNITS,
    Flags,
    OutOfRange,
    Whole,
    ceil_div,
    share,
    times_rate,
)
from risk.denials import DENIALS

#: What the code of an order means; that of an accepted one is 0.
CODES: Final = (None, *DENIALS)
NUMBERS: Final = {code: number for number, code in enumerate(DENIALS, start=1)}

Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """Market orders, at most one an account, in the order of rows.

    ``lots`` are signed: below zero they sell. A leverage of 0 is the tier's highest.
    """

    rows: Whole
    instrument: NDArray[np.int8]
    lots: Whole
    leverage: Whole
    reduce_only: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """What orders did, nothing where one was refused. ``filled`` is signed, its parts are not."""

    code: Codes
    filled: Whole
    closed: Whole
    opened: Whole
    realized: Whole
    fee: Whole
    total_exposure: int


class Fills(NamedTuple):
    """What fills do: lots that close and open, what is realised, and changes of cost and margin."""

    closed: Whole
    opened: Whole
    realized: Whole
    fee: Whole
    cost: Whole
    margin: Whole


def place(book: Book, rules: Rules, orders: Orders, marks: Whole, total_exposure: int) -> Placed:
    """Hold orders against the rules at marks [I], and fill and book those that pass.

    ``total_exposure`` is that of all accounts. Fees leave the balances. Raises OutOfRange, with the
    book as it was, where an order is too large, or an account would be.
    """
    facing = Facing(book, rules, orders, marks)
    fills = fill(facing)
    code, refused = np.zeros(len(orders.rows), np.int8), refusals(facing, fills)
    for denial in reversed(refused):
        code[refused[denial]] = NUMBERS[denial]
    total = hold_to_threshold(code, facing, fills, total_exposure)
    if code.any():
        fills = Fills(*(column * (code == 0) for column in fills))
    book_fills(facing, fills)
    closed, opened, realized, fee, _, _ = fills
    return Placed(code, facing.side * (closed + opened), closed, opened, realized, fee, total)


class Facing:
    """Orders and the accounts, instruments and rules that they face: an array each, by order.

    ``held``, ``cost`` and ``margin`` are those of the order's instrument, and ``reducible`` is what
    of it the order stands against; ``value`` is what a lot is worth.
    """

    def __init__(self, book: Book, rules: Rules, orders: Orders, marks: Whole) -> None:
        self.book, self.rules, self.orders, self.marks = book, rules, orders, marks
        rows, instrument = orders.rows, orders.instrument.astype(np.intp)
        self.instrument, self.value = instrument, book.lot_values(marks)[instrument]
        self.side, self.asked = np.sign(orders.lots), np.abs(orders.lots)
        if (self.asked > LARGEST // self.value).any():
            raise OutOfRange(f"An order is for more than {LARGEST // UNITS:,} USDT.")
        self.highest = rules.max_leverage[book.tier[rows]]
        self.balance, self.held = book.balance[rows], book.lots[instrument, rows]
        self.cost, self.margin = book.cost[instrument, rows], book.margin[instrument, rows]
        self.reducible = np.maximum(-self.side * self.held, 0)
        self.margins = book.position_margin(rows)
        self.exposure = book.exposure(marks, rows)


def fill(facing: Facing) -> Fills:
    """Fill orders at the mark, whether allowed or not; reduce-only ones as far as positions go."""
    orders, side, value = facing.orders, facing.side, facing.value
    closed = np.minimum(facing.asked, facing.reducible)
    opened = np.where(orders.reduce_only, 0, facing.asked - closed)
    cost_part, margin_part = closed_parts(facing, closed)
    leverage = np.where(orders.leverage == 0, facing.highest, orders.leverage)
    fee_rate = facing.book.instruments.taker_fee[facing.instrument]
    opened_notional = opened * value
    return Fills(
        closed=closed,
        opened=opened,
        realized=-side * closed * value - cost_part,
        fee=times_rate((closed + opened) * value, fee_rate),
        cost=side * opened_notional - cost_part,
        margin=ceil_div(opened_notional, leverage) - margin_part,
    )


def closed_parts(facing: Facing, closed: Whole) -> tuple[Whole, Whole]:
    """Return what leaves of cost and margin with what closes."""
    closes, whole = closed > 0, np.abs(facing.held)
    cost, margin = facing.cost * closes, facing.margin * closes
    for at in np.flatnonzero(closes & (closed < whole)).tolist():
        part = int(closed[at]), int(whole[at])
        cost[at], margin[at] = share(int(cost[at]), *part), share(int(margin[at]), *part)
    return cost, margin


def refusals(facing: Facing, fills: Fills) -> dict[str, Flags | bool]:
    """Tell which orders each denial is due to, in their order, but for the global threshold's."""
    book, rules, orders, asked = facing.book, facing.rules, facing.orders, facing.asked
    listed, instrument = book.instruments, facing.instrument
    opens = fills.opened > 0
    exposure = facing.exposure + (fills.opened - fills.closed) * facing.value
    return {
        "trading_halted": rules.halted,
        "account_suspended": book.suspended[orders.rows],
        "invalid_size": (asked == 0) | (asked >= listed.first_too_large[instrument]),
        "below_min_notional": asked * facing.value < listed.min_notional[instrument],
        "leverage_exceeds_tier": orders.leverage > facing.highest,
        "reduce_only_rejected": orders.reduce_only & (facing.reducible == 0),
        "insufficient_margin": ~is_affordable(facing, fills),
        "user_exposure_exceeded": opens & (exposure > rules.user_exposure_limit),
    }


def is_affordable(facing: Facing, fills: Fills) -> Flags:
    """Tell which accounts can settle their fill and have the margin for what it opens."""
    book, rows = facing.book, facing.orders.rows
    settled = facing.balance + fills.realized >= fills.fee
    used = facing.margins + book.reserved_margin[rows]
    available = book.equity(facing.marks, rows) - used - fills.fee
    return settled & ((fills.opened == 0) | (available >= fills.margin))


def hold_to_threshold(code: Codes, facing: Facing, fills: Fills, total: int) -> int:
    """Refuse what lifts the exposure of all above the threshold, and return it after all orders.

    In Python's own whole numbers: all accounts together may have more exposure than 64 bits hold.
    """
    threshold, refused = facing.rules.global_exposure_threshold, list[int]()
    changes = ((fills.opened - fills.closed) * facing.value).tolist()
    orders = zip((code == 0).tolist(), (fills.opened > 0).tolist(), changes, strict=True)
    for at, (passed, opens, change) in enumerate(orders):
        if passed and opens and total + change > threshold:
            refused.append(at)
        elif passed:
            total += change
    code[refused] = NUMBERS["global_exposure_exceeded"]
    return total


def book_fills(facing: Facing, fills: Fills) -> None:
    """Write down what accounts are after their fills."""
    book, rows, place = facing.book, facing.orders.rows, (facing.instrument, facing.orders.rows)
    lots = facing.held + facing.side * (fills.closed + fills.opened)
    cost, balance = facing.cost + fills.cost, facing.balance + fills.realized - fills.fee
    costs = np.abs(of(book.cost, rows)).sum(axis=0) - np.abs(facing.cost) + np.abs(cost)
    exposure = facing.exposure + (fills.opened - fills.closed) * facing.value
    totals = (balance, costs, facing.margins + fills.margin, exposure)
    refuse_above(np.maximum.reduce(totals), "balance, cost, margin or exposure", rows)
    book.balance[rows], book.lots[place], book.cost[place] = balance, lots, cost
    book.margin[place] = facing.margin + fills.margin
    np.maximum.at(book.widest, facing.instrument, np.abs(lots))
