"""Many accounts at once: balances and positions in arrays, and what they are worth at marks.

Amounts in units, sizes in lots (a short is negative), prices in ticks. Arrays by instrument are
[I, N], so that one instrument of all accounts lies in one piece; ``rows`` picks accounts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property
from operator import mul
from typing import Self

import numpy as np
from numpy.typing import NDArray

from market.kernel.amounts import EXACT, LARGEST_INPUT
from risk.arrays.units import (
    LARGEST,
    UNITS,
    Flags,
    OutOfRange,
    Whole,
    ceil_times_rate,
    exact_units,
    limit_units,
    rate_units,
    units,
)
from risk.state import InstrumentState


@dataclass(frozen=True, eq=False)
class Instruments:
    """What can be traded. ``unit`` is what a lot is worth at a price of one tick, in units."""

    symbols: tuple[str, ...]
    tick: tuple[Decimal, ...]
    lot: tuple[Decimal, ...]
    unit: Whole
    min_notional: Whole
    taker_fee: Whole
    max_lots: Whole
    max_order_value: Whole

    @classmethod
    def of(cls, states: Sequence[InstrumentState]) -> Self:
        """Return instruments as the exchange lists them."""
        return cls(
            symbols=tuple(state.symbol for state in states),
            tick=tuple(state.tick_size for state in states),
            lot=tuple(state.lot_size for state in states),
            unit=np.array([units(EXACT.multiply(s.tick_size, s.lot_size)) for s in states]),
            min_notional=np.array([units(state.min_notional) for state in states]),
            taker_fee=np.array([rate_units(state.taker_fee_rate) for state in states]),
            max_lots=np.array([most_lots(state) for state in states]),
            max_order_value=np.array([limit_units(state.max_order_value) for state in states]),
        )

    @cached_property
    def by_symbol(self) -> Whole:
        """The instruments' indices in the order of their symbols."""
        return np.array(sorted(range(len(self.symbols)), key=self.symbols.__getitem__))

    @cached_property
    def limit_orders(self) -> bool:
        """Whether any of them has a largest size or value of an order."""
        return bool(min(self.max_lots.min(), self.max_order_value.min()) < LARGEST)

    @cached_property
    def first_too_large(self) -> Whole:
        """The least lots that are no size of an order any more."""
        bounds = [-(-exact_units(LARGEST_INPUT) // exact_units(lot)) for lot in self.lot]
        return np.array(bounds)

    @cached_property
    def _units(self) -> list[int]:
        return list(self.unit.tolist())

    def lot_values(self, marks: Whole) -> list[int]:
        """Return what a lot of each is worth at marks [I], in units."""
        values = list(map(mul, self._units, marks.tolist()))
        if max(values) > LARGEST:
            raise OutOfRange(f"A lot is worth more than {LARGEST // UNITS:,} USDT at a mark.")
        return values


def most_lots(state: InstrumentState) -> int:
    """Return the most lots of an order that is within the largest size."""
    size = state.max_order_size
    return LARGEST if size is None else min(int(EXACT.divide_int(size, state.lot_size)), LARGEST)


@dataclass
class Book:
    """One account or more and what they hold. ``place`` and ``close_out`` change what is held, and
    only ``take_back`` undoes that.

    Of each account the balance, and over its instruments the costs, the margins and the notional at
    each marks asked for are at most ``LARGEST``: what is larger raises OutOfRange.
    """

    instruments: Instruments
    tier: NDArray[np.int8]
    balance: Whole
    lots: Whole
    cost: Whole
    margin: Whole
    reserved_margin: Whole
    reserved_notional: Whole
    suspended: Flags
    #: Lots that nobody holds more of, by instrument.
    widest: Whole = field(init=False)

    def __post_init__(self) -> None:
        self.widest = np.abs(self.lots).max(axis=1)
        for name in ("balance", "reserved_margin", "reserved_notional"):
            refuse_above(getattr(self, name), name)
        refuse_above(np.abs(self.cost), "cost")
        refuse_above(self.margin, "margin")

    @classmethod
    def empty(cls, instruments: Instruments, tier: NDArray[np.int8], balance: Whole) -> Self:
        """Return accounts that hold nothing."""
        held = (len(instruments.symbols), len(balance))
        return cls(
            instruments,
            tier=tier,
            balance=balance.copy(),
            lots=np.zeros(held, np.int64),
            cost=np.zeros(held, np.int64),
            margin=np.zeros(held, np.int64),
            reserved_margin=np.zeros_like(balance),
            reserved_notional=np.zeros_like(balance),
            suspended=np.zeros(len(balance), np.bool_),
        )

    def copy(self) -> Self:
        """Return the same accounts, to be changed by themselves."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self)[1:] if one.init}
        return replace(self, **{name: array.copy() for name, array in arrays.items()})

    def lot_values(self, marks: Whole) -> Whole:
        """Return what a lot of each instrument is worth at marks [I] or [I, n], in units.

        Raises OutOfRange where an account's positions are worth too much at the highest of them.
        """
        worth = self.instruments.lot_values(
            marks if marks.ndim == 1 else marks.max(axis=1, initial=0)
        )
        values = np.array(worth)
        if sum(map(mul, self.widest.tolist(), worth)) > LARGEST:
            refuse_above(self._notionals(values), "notional")
        return values if marks.ndim == 1 else self.instruments.unit[:, None] * marks

    def held_by(self, rows: Whole) -> tuple[Whole, ...]:
        """Return what accounts have: balance, lots, cost and margin."""
        return tuple(of(array, rows) for array in self._held)

    def take_back(self, rows: Whole, held: Iterable[Whole]) -> None:
        """Let accounts have again what they had."""
        for array, had in zip(self._held, held, strict=True):
            array[..., rows] = had

    @property
    def _held(self) -> tuple[Whole, ...]:
        return self.balance, self.lots, self.cost, self.margin

    def _notionals(self, values: Whole) -> Whole:
        size, worth = np.abs(self.lots), values[:, None]
        return np.where(size > LARGEST // worth, LARGEST + 1, size * worth)

    def equity(self, marks: Whole, rows: Whole | None = None) -> Whole:
        """Return balance + unrealised P&L at marks [I]."""
        return self.equity_at(self.lot_values(marks), rows)

    def equity_at(self, lot_values: Whole, rows: Whole | None = None) -> Whole:
        """Return the same at what a lot of each instrument is worth [I], or to each row [I, n]."""
        equity = worth(of(self.lots, rows), lot_values)
        equity += of(self.balance, rows)
        equity -= of(self.cost, rows).sum(axis=0)
        return equity

    def position_margin(self, rows: Whole | None = None) -> Whole:
        return of(self.margin, rows).sum(axis=0)

    def exposure(self, marks: Whole, rows: Whole | None = None) -> Whole:
        """Return the notional of positions at marks [I] + that reserved by open orders."""
        return self.exposure_at(self.lot_values(marks), rows)

    def exposure_at(self, lot_values: Whole, rows: Whole | None = None) -> Whole:
        """Return the same at what a lot of each instrument is worth [I], or to each row [I, n]."""
        return worth(np.abs(of(self.lots, rows)), lot_values) + of(self.reserved_notional, rows)

    def needed(self, threshold: int, rows: Whole | None = None) -> Whole:
        """Return the least equity that is not in breach: ``threshold × margin``, rounded up.

        Equity is whole, so that it lies below the product where it lies below this.
        """
        return ceil_times_rate(self.position_margin(rows), threshold)

    def slack(self, marks: Whole, threshold: int, rows: Whole | None = None) -> Whole:
        """Return the equity above what is needed: below zero in breach."""
        return self.equity(marks, rows) - self.needed(threshold, rows)


def worth(lots: Whole, lot_values: Whole) -> Whole:
    """Return what lots [I, n] are worth together, where one of each is worth [I] or [I, n]."""
    value: Whole = (lots * lot_values.reshape(len(lots), -1)).sum(axis=0)
    return value


def of(array: Whole, rows: Whole | None) -> Whole:
    """Return the columns of accounts, or all of them."""
    return array if rows is None else array.take(rows, axis=-1)


def refuse_above(amounts: Whole, what: str, rows: Whole | None = None) -> None:
    """Raise OutOfRange where an account's amount, or its sum over [I, N], is above ``LARGEST``."""
    for each in (amounts, np.add.accumulate(amounts)) if amounts.ndim > 1 else (amounts,):
        if each.max(initial=0) > LARGEST:
            column = int(each.argmax()) % each.shape[-1]
            row = column if rows is None else rows[column]
            raise OutOfRange(f"Account {row}: its {what} is above {LARGEST // UNITS:,} USDT.")
