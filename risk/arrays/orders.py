"""Market orders of many accounts at one step's marks: held against the rules, filled, booked.

By the rules of ``risk.engine``, ``risk.execution`` and ``risk.fills``, as if one were booked after
the other. An order fills at the mark, at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from operator import mul
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from risk.arrays.books import Book, of, refuse_above
from risk.arrays.maintenance import requirements
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.throttle import Throttle
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
    notional: Whole

    def first(self, count: int) -> "Placed":
        """Return what the first so many did."""
        return Placed(*(getattr(self, column.name)[:count] for column in fields(self)))


class Fills(NamedTuple):
    """What fills do: lots that close and open, what is realised, and how all else changes."""

    filled: Whole
    closed: Whole
    opened: Whole
    realized: Whole
    fee: Whole
    notional: Whole
    cost: Whole
    margin: Whole
    exposure: Whole


def place(
    book: Book,
    rules: Rules,
    orders: Orders,
    marks: Whole,
    total_exposure: int | Sequence[int],
    bands: Whole | None = None,
    sent: Sent | None = None,
    throttle: Throttle | None = None,
) -> Placed:
    """Hold orders against the rules at marks [I], and fill and book those that pass.

    Orders of several steps may be placed together, with marks [I, n] that are each order's own.
    ``total_exposure`` is that of all accounts before the orders, at each order's marks where these
    differ. ``bands``, in the shape of marks, are those of volatility, none unless given. ``sent``
    is what the accounts have sent lately, and takes in these orders; None where that is nothing and
    nobody will ask. ``throttle`` counts their fills, where they count. Fees leave the balances.
    Raises OutOfRange, with the book as it was, where an order is too large, or an account would be.
    """
    facing = Facing(book, rules, orders, marks, bands, sent, throttle)
    fills = fill(facing)
    code, refused = np.zeros(len(orders.rows), np.int8), refusals(facing, fills)
    for denial in sorted(refused, key=NUMBERS.__getitem__, reverse=True):
        code[refused[denial]] = NUMBERS[denial]
    hold_to_threshold(code, facing, fills, total_exposure)
    if sent is not None:
        note_sent(sent, facing, fills, code == 0)
    if throttle is not None:
        throttle.note(orders.rows[code == 0])
    if code.any():
        passed = (code == 0).astype(np.int64)
        fills = Fills(*(column * passed for column in fills))
    book_fills(facing, fills)
    return Placed(code, *fills[:6])


class Facing:
    """Orders and the accounts, instruments and rules that they face: an array each, by order.

    ``highest`` is the leverage of what opens, ``tiers`` the tier's. ``held``, ``cost`` and
    ``margin`` are those of the order's instrument, and ``reducible`` is what of it the order stands
    against; ``value`` is what a lot of it is worth, ``values`` [I, n] one of each.
    """

    def __init__(
        self,
        book: Book,
        rules: Rules,
        orders: Orders,
        marks: Whole,
        bands: Whole | None,
        sent: Sent | None,
        throttle: Throttle | None,
    ) -> None:
        self.book, self.rules, self.orders, self.sent = book, rules, orders, sent
        self.throttle = throttle
        rows, each = orders.rows, np.arange(len(orders.rows))
        values = book.lot_values(marks).reshape(len(marks), -1)
        self.values = np.broadcast_to(values, (len(marks), len(rows)))
        instrument = self.instrument = orders.instrument.astype(np.intp)
        self.value = self.values[instrument, each]
        self.side, self.asked = np.sign(orders.lots), np.abs(orders.lots)
        if (self.asked > LARGEST // self.value).any():
            raise OutOfRange(f"An order is for more than {LARGEST // UNITS:,} USDT.")
        self.tiers = self.highest = rules.max_leverage[book.tier[rows]]
        if bands is not None:
            band = np.broadcast_to(bands.reshape(len(marks), -1), (len(marks), len(rows)))
            self.highest = rules.by_band[band[instrument, each], book.tier[rows]]
        self.balance, self.held = book.balance[rows], book.lots[instrument, rows]
        self.cost, self.margin = book.cost[instrument, rows], book.margin[instrument, rows]
        self.reducible = np.maximum(-self.side * self.held, 0)
        self.allowed = None
        by = requirements(rules.requirement, book.instruments.symbols)
        if by.by_brackets:
            after = np.abs(self.held + orders.lots)
            self.allowed = by.allowed(instrument, after * self.value)

    @cached_property
    def margins(self) -> Whole:
        return self.book.position_margin(self.orders.rows)

    @cached_property
    def exposure(self) -> Whole:
        return self.book.exposure_at(self.values, self.orders.rows)

    @property
    def default_leverage(self) -> Whole:
        """The leverage of an order that asks for none: the highest, within its bracket."""
        if self.allowed is None:
            return self.highest
        return np.minimum(self.highest, self.allowed.leverage)

    @property
    def available(self) -> Whole:
        """The margin that is available before the fill."""
        rows = self.orders.rows
        used = self.margins + self.book.reserved_margin[rows]
        return self.book.equity_at(self.values, rows) - used


def fill(facing: Facing) -> Fills:
    """Fill orders at the mark, whether allowed or not; reduce-only ones as far as positions go."""
    orders, side, value = facing.orders, facing.side, facing.value
    closed = np.minimum(facing.asked, facing.reducible)
    opened = np.where(orders.reduce_only, 0, facing.asked - closed)
    cost_part, margin_part = closed_parts(facing, closed)
    leverage = np.where(orders.leverage == 0, facing.default_leverage, orders.leverage)
    fee_rate = facing.book.instruments.taker_fee[facing.instrument]
    closed_notional, opened_notional = closed * value, opened * value
    notional = closed_notional + opened_notional
    return Fills(
        filled=side * (closed + opened),
        closed=closed,
        opened=opened,
        realized=-side * closed_notional - cost_part,
        fee=times_rate(notional, fee_rate),
        notional=notional,
        cost=side * opened_notional - cost_part,
        margin=ceil_div(opened_notional, leverage) - margin_part,
        exposure=opened_notional - closed_notional,
    )


def closed_parts(facing: Facing, closed: Whole) -> tuple[Whole, Whole]:
    """Return what leaves of cost and margin with what closes."""
    closes, whole = closed > 0, np.abs(facing.held)
    cost, margin = facing.cost * closes, facing.margin * closes
    for at in (closes & (closed < whole)).nonzero()[0].tolist():
        part = int(closed[at]), int(whole[at])
        cost[at], margin[at] = share(int(cost[at]), *part), share(int(margin[at]), *part)
    return cost, margin


def refusals(facing: Facing, fills: Fills) -> dict[str, Flags | bool]:
    """Tell which orders each denial is due to, in their order, but for the global threshold's."""
    book, orders, asked, instrument = facing.book, facing.orders, facing.asked, facing.instrument
    too_large = book.instruments.first_too_large[instrument]
    rules, tier, opens = facing.rules, book.tier[orders.rows], fills.opened > 0
    suspended, halted = book.suspended[orders.rows], rules.halted_tiers[tier]
    held_back = rules.reducing_tiers[tier]
    if facing.throttle is not None:
        held_back |= facing.throttle.held[orders.rows]
    reducing = rules.reducing | (held_back & ~suspended)
    refused = {
        "trading_halted": rules.halted,
        "reducing_only": reducing & opens,
        "account_suspended": suspended,
        "tier_halted": halted,
        "invalid_size": (asked == 0) | (asked >= too_large),
        "below_min_notional": asked * facing.value < book.instruments.min_notional[instrument],
        "leverage_exceeds_tier": orders.leverage > facing.tiers,
        "leverage_exceeds_volatility": (fills.opened > 0) & (orders.leverage > facing.highest),
        "reduce_only_rejected": orders.reduce_only & (facing.reducible == 0),
        "insufficient_margin": facing.balance + fills.realized < fills.fee,
    }
    if opens.any():
        if facing.allowed is not None:
            most, missing, beyond = facing.allowed
            refused["brackets_missing"] = opens & missing
            refused["position_exceeds_brackets"] = opens & beyond
            refused["leverage_exceeds_bracket"] = opens & (orders.leverage > most)
        if facing.rules.limit_orders or book.instruments.limit_orders:
            refused["order_value_exceeded"] = opens & above_value(facing)
        if facing.rules.window:
            refused |= {code: opens & flags for code, flags in sent_too_much(facing).items()}
        exposure = facing.exposure + fills.exposure
        refused["insufficient_margin"] |= opens & (facing.available - fills.fee < fills.margin)
        refused["user_exposure_exceeded"] = opens & (exposure > rules.user_exposure_limit)
    return refused


def above_value(facing: Facing) -> Flags:
    """Tell which orders are larger than one order may be."""
    listed, instrument = facing.book.instruments, facing.instrument
    own = facing.rules.max_order_value[facing.book.tier[facing.orders.rows]]
    most = np.minimum(own, listed.max_order_value[instrument])
    return (facing.asked > listed.max_lots[instrument]) | (facing.asked * facing.value > most)


def sent_too_much(facing: Facing) -> dict[str, Flags]:
    """Tell which orders repeat an earlier one, or lift what is sent in a minute above its limit."""
    rows, sent, rules = facing.orders.rows, facing.sent, facing.rules
    value = facing.asked * facing.value + (0 if sent is None else sent.value[rows])
    refused = {"order_volume_exceeded": value > rules.max_minute_value[facing.book.tier[rows]]}
    if sent is not None and rules.duplicate_seconds:
        refused["duplicate_order"] = sent.twins(rows, facing.instrument, facing.orders.lots)
    return refused


def note_sent(sent: Sent, facing: Facing, fills: Fills, passed: Flags) -> None:
    """Add accepted orders to what is sent; those that only reduce count for nothing."""
    columns = facing.orders.rows, facing.instrument, facing.orders.lots
    value = facing.asked * facing.value * (fills.opened > 0)
    sent.add(*(column[passed] for column in (*columns, value)))


def hold_to_threshold(
    code: Codes, facing: Facing, fills: Fills, total: int | Sequence[int]
) -> None:
    """Refuse what lifts the exposure of all above the threshold, where anything can.

    In Python's own whole numbers: all accounts together may have more exposure than 64 bits hold.
    """
    threshold = facing.rules.global_exposure_threshold
    totals = [total] * len(code) if isinstance(total, int) else total
    highest = facing.values.max(axis=1, initial=0)[facing.instrument].tolist()
    opened = fills.opened.tolist()
    if max(totals, default=0) + sum(map(mul, opened, highest)) <= threshold:
        return
    changes = (fills.opened - fills.closed).tolist()
    columns = code.tolist(), facing.instrument.tolist(), facing.values.T.tolist()
    moved = [0] * len(facing.values)  # lots, by those orders that passed
    for at, (denial, instrument, values) in enumerate(zip(*columns, strict=True)):
        lifted = totals[at] + sum(map(mul, moved, values)) + changes[at] * values[instrument]
        if not denial and opened[at] and lifted > threshold:
            code[at] = NUMBERS["global_exposure_exceeded"]
        elif not denial:
            moved[instrument] += changes[at]


def book_fills(facing: Facing, fills: Fills) -> None:
    """Write down what accounts are after their fills."""
    book, rows = facing.book, facing.orders.rows
    balance = facing.balance + fills.realized - fills.fee
    refuse_above(balance, "balance", rows)
    if fills.opened.any():
        refuse_too_large(facing, fills)
    at, lots = (facing.instrument, rows), facing.held + fills.filled
    book.balance[rows], book.lots[at] = balance, lots
    book.cost[at], book.margin[at] = facing.cost + fills.cost, facing.margin + fills.margin
    np.maximum.at(book.widest, facing.instrument, np.abs(lots))


def refuse_too_large(facing: Facing, fills: Fills) -> None:
    """Raise OutOfRange where an account would hold more than is computed here."""
    rows, cost = facing.orders.rows, np.abs(facing.cost + fills.cost) - np.abs(facing.cost)
    costs = np.abs(of(facing.book.cost, rows)).sum(axis=0) + cost
    margins, exposure = facing.margins + fills.margin, facing.exposure + fills.exposure
    refuse_above(np.maximum.reduce((costs, margins, exposure)), "cost, margin or exposure", rows)
