"""What one cell of a study did: its close-outs in order, its bars, and what is left of the books.

Columns of whole numbers: money in units of 1e-8 USDT, sizes in signed lots (a short is negative),
prices in ticks. ``row`` is an account's row in the population, ``step`` a row of the tape's marks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk.arrays.units import Whole


@dataclass(frozen=True, slots=True)
class CloseOuts:
    """One entry per close-out, in the order in which they were done.

    ``shortfall`` is what a balance could not pay: the insurance fund ``paid``, the rest is
    ``bad_debt``.
    """

    row: Whole
    step: Whole
    balance_before: Whole
    equity_before: Whole
    margin_before: Whole
    fee: Whole
    paid: Whole
    bad_debt: Whole
    balance_after: Whole

    @property
    def shortfall(self) -> Whole:
        return self.paid + self.bad_debt


@dataclass(frozen=True, slots=True)
class Legs:
    """One entry per position closed out, in order; ``close_out`` is its entry in CloseOuts.

    ``lots`` are as they were held. Balance, equity and margin are those just before the leg.
    """

    close_out: Whole
    instrument: Whole
    lots: Whole
    mark: Whole
    realized: Whole
    fee: Whole
    balance_before: Whole
    equity_before: Whole
    margin_before: Whole


@dataclass(frozen=True, slots=True)
class Bars:
    """State at the end of each bar [I, B] or [B], and what was closed out within it."""

    marks: Whole
    long_lots: Whole
    short_lots: Whole
    fund: Whole
    closed_long: Whole
    closed_short: Whole


@dataclass(frozen=True, slots=True)
class Sample:
    """The accounts that held something at the end of a step: lots and margin [I, n], equity [n]."""

    step: int
    rows: Whole
    lots: Whole
    equity: Whole
    margin: Whole


@dataclass(frozen=True, slots=True)
class Books:
    """What came in and where it is: ``deposits = balances + fund + house − bad debt`` to a unit.

    ``deposits`` holds opening balances, top-ups and the fund's capital; ``house`` the trading fees.
    """

    deposits: int
    balances: int
    fund: int
    house: int
    bad_debt: int

    @property
    def difference(self) -> int:
        return self.deposits - (self.balances + self.fund + self.house - self.bad_debt)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One policy's way through one tape with one population.

    ``orders`` counts what agents sent, ``refused`` those refused by code, ``volume`` the notional
    that agents traded, close-outs apart. ``fund_minimum`` is the least that the fund held;
    ``fund_empty_step`` the first step at which it could not pay all, or −1. ``peak_exposure`` is
    the largest at the end of a bar. ``stops`` counts accounts that closed by their own stop.
    ``impact`` is the move of marks by forced trades as log price [S, I], None without one.
    ``opening``, ``top_ups``, ``balance_end`` and ``equity_end`` are per account.
    """

    close_outs: CloseOuts
    legs: Legs
    bars: Bars
    samples: tuple[Sample, ...]
    books: Books
    orders: int
    refused: Mapping[str, int]
    volume: int
    fund_start: int
    fund_minimum: int
    fund_empty_step: int
    peak_exposure: int
    peak_bar: int
    stops: int
    impact: NDArray[np.float64] | None
    opening: Whole
    top_ups: Whole
    balance_end: Whole
    equity_end: Whole
