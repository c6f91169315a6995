"""Market orders of many accounts at one step's marks, and what they face."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from risk.arrays.books import Book
from risk.arrays.maintenance import requirements
from risk.arrays.rules import Rules
from risk.arrays.sent import Sent
from risk.arrays.throttle import Throttle
from risk.arrays.units import LARGEST, UNITS, Flags, OutOfRange, Whole


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
        self.values = by_order(book.lot_values(marks), len(rows))
        instrument = self.instrument = orders.instrument.astype(np.intp)
        self.value = self.values[instrument, each]
        self.side, self.asked = np.sign(orders.lots), np.abs(orders.lots)
        if (self.asked > LARGEST // self.value).any():
            raise OutOfRange(f"An order is for more than {LARGEST // UNITS:,} USDT.")
        self.tiers = self.highest = rules.max_leverage[book.tier[rows]]
        if bands is not None:
            band = by_order(bands, len(rows))[instrument, each]
            self.highest = rules.by_band[band, book.tier[rows]]
        self.balance, self.held = book.balance[rows], book.lots[instrument, rows]
        self.cost, self.margin = book.cost[instrument, rows], book.margin[instrument, rows]
        self.reducible = np.maximum(-self.side * self.held, 0)
        self.by = requirements(rules.requirement, book.instruments.symbols)
        self.allowed = None
        if self.by.by_brackets:
            after = np.abs(self.held + orders.lots)
            self.allowed = self.by.allowed(instrument, after * self.value)

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

    @cached_property
    def equity(self) -> Whole:
        return self.book.equity_at(self.values, self.orders.rows)

    @property
    def available(self) -> Whole:
        """The margin that is available before the fill."""
        return self.equity - self.margins - self.book.reserved_margin[self.orders.rows]


def by_order(figures: Whole, orders: int) -> Whole:
    """Return what is said of instruments [I], of all orders alike or of each [I, n], as [I, n]."""
    return np.broadcast_to(figures.T, (orders, len(figures))).T
