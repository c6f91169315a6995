"""Outcomes made by hand: a day and a half of hourly bars, three accounts, one a tier.

BTCUSDT alone, where a lot at one tick is worth 10 units; the mark stands at 100,000.00 unless said.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np

from kpi.lab.cells.measuring import measure
from kpi.lab.cells.outcome import Bars, Books, CloseOuts, Legs, Outcome, Sample
from risk.policy import PRESETS, policy_from

HOURS = 36
START = 1_760_000_400
MARK = 10_000_000
ACCOUNTS = 3


def whole(*values: int) -> Any:
    return np.array(values, np.int64)


@dataclass
class Closed:
    """A position that a close-out closes."""

    row: int = 0
    step: int = 0
    lots: int = 100_000
    mark: int = MARK
    realized: int = 0
    fee: int = 0
    paid: int = 0
    bad_debt: int = 0


@dataclass
class Made:
    """A cell made by hand; what it is not told is quiet."""

    closed: list[Closed] = field(default_factory=list)
    samples: tuple[Sample, ...] = ()
    marks: list[int] = field(default_factory=lambda: [MARK] * HOURS)
    long_lots: list[int] = field(default_factory=lambda: [0] * HOURS)
    threshold: str = "0.5"
    rules: dict[str, Any] = field(default_factory=dict)
    cadence: int = 1
    held_lots: tuple[int, int, int] = (0, 0, 0)
    held_cost: tuple[int, int, int] = (0, 0, 0)
    changes: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> dict[str, Any]:
        rules = {"liquidation_threshold": Decimal(self.threshold), **self.rules}
        policy = policy_from(rules, PRESETS["seed"])
        lab_policy: Any = SimpleNamespace(cadence=self.cadence, policy=policy)
        return measure(self.outcome(), self.tape(), self.population(), lab_policy)

    def tape(self) -> Any:
        bars = np.arange(HOURS)
        instruments = SimpleNamespace(unit=whole(10), symbols=("BTCUSDT",))
        return SimpleNamespace(
            instruments=instruments,
            marks=np.array(self.marks)[:, None],
            times=START + 3600 * bars,
            bar=bars,
        )

    def population(self) -> Any:
        return SimpleNamespace(
            tier=np.arange(ACCOUNTS, dtype=np.int8),
            lots=whole(*self.held_lots)[None],
            cost=whole(*self.held_cost)[None],
        )

    def outcome(self) -> Outcome:
        none = np.zeros(ACCOUNTS, np.int64)
        quiet = Outcome(
            close_outs=self.close_outs(),
            legs=self.legs(),
            bars=self.bars(),
            samples=self.samples,
            books=Books(0, 0, 0, 0, 0),
            orders=0,
            refused={},
            volume=0,
            fund_start=0,
            fund_minimum=0,
            fund_empty_step=-1,
            peak_exposure=0,
            peak_bar=0,
            stops=0,
            impact=None,
            opening=none,
            top_ups=none,
            balance_end=none,
            equity_end=none,
        )
        return replace(quiet, **self.changes)

    def close_outs(self) -> CloseOuts:
        none = np.zeros(len(self.closed), np.int64)
        return CloseOuts(
            row=whole(*(one.row for one in self.closed)),
            step=whole(*(one.step for one in self.closed)),
            balance_before=none,
            equity_before=none,
            margin_before=none,
            fee=whole(*(one.fee for one in self.closed)),
            paid=whole(*(one.paid for one in self.closed)),
            bad_debt=whole(*(one.bad_debt for one in self.closed)),
            balance_after=none,
        )

    def legs(self) -> Legs:
        none = np.zeros(len(self.closed), np.int64)
        return Legs(
            close_out=np.arange(len(self.closed)),
            instrument=none,
            lots=whole(*(one.lots for one in self.closed)),
            mark=whole(*(one.mark for one in self.closed)),
            realized=whole(*(one.realized for one in self.closed)),
            fee=whole(*(one.fee for one in self.closed)),
            balance_before=none,
            equity_before=none,
            margin_before=none,
        )

    def bars(self) -> Bars:
        none = np.zeros(HOURS, np.int64)
        closed_long, closed_short = none.copy(), none.copy()
        for one in self.closed:
            side = closed_long if one.lots > 0 else closed_short
            side[one.step] += 10 * abs(one.lots) * one.mark
        return Bars(
            marks=whole(*self.marks)[None],
            long_lots=whole(*self.long_lots)[None],
            short_lots=none[None],
            fund=none,
            closed_long=closed_long,
            closed_short=closed_short,
        )
