"""A crash in arrays is the crash of the exchange: event by event, to the last digit.

The same accounts trade and are closed out in arrays and as Decimals; neither looks at the other's
figures. Compared are who is in breach, every leg, deficit and payment, and all that is left.
"""

import os
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.random import Generator

from risk.arrays.books import Book, Instruments
from risk.arrays.closing import close_out, cover
from risk.arrays.orders import Orders
from risk.arrays.placing import place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.search import may_fall_below
from risk.arrays.units import UNITS, Whole, amount
from risk.closing import FULL, LARGEST_LOSS_FIRST, PARTIAL
from risk.maintenance import BRACKETS, INITIAL_SHARE
from risk.policy import PRESETS, TIERS, Policy, policy_from
from tests.risk.arrays.cases import USUAL, account_states, in_usdt, needed
from tests.risk.arrays.exchange import Exchange

#: A thousand in `make lab-trials`, fewer in the suite.
ACCOUNTS = 1_000 if "LAB_TRIALS" in os.environ else 100
STEPS = 40


def policy(mode: str, fee: str, threshold: str, ladders: str = "") -> Policy:
    values = {
        "margin_mode": BRACKETS if ladders else INITIAL_SHARE,
        "maintenance_brackets": ladders,
        "max_leverage": {"beginner": 10, "intermediate": 25, "advanced": 60},
        "liquidation_mode": mode,
        "liquidation_fee_rate": Decimal(fee),
        "liquidation_threshold": Decimal(threshold),
        "user_exposure_limit": Decimal(2_000_000),
        "global_exposure_threshold": Decimal(ACCOUNTS * 30_000),
    }
    return policy_from(values, base=PRESETS["seed"])


def crash(rng: Generator) -> Whole:
    """Return marks [T, I] that lose a third in the middle, some of it in a jump."""
    marks = np.array([high for _, high in USUAL.prices]) * 2 // 3
    path = []
    for step in range(STEPS):
        fall = 90 if step == STEPS // 2 else 25 if STEPS // 2 < step < STEPS * 3 // 4 else 0
        marks = marks * (1_000 - fall + rng.integers(-8, 9, len(marks))) // 1_000
        path.append(marks)
    return np.array(path)


def orders_of(rng: Generator, book: Book, marks: Whole) -> Orders:
    """Return orders of a tenth of the accounts: entries, some larger than allowed, and exits."""
    rows = np.flatnonzero(rng.random(len(book.balance)) < 0.1)
    instrument = rng.integers(0, len(book.lots), len(rows), dtype=np.int8)
    value, held = (book.instruments.unit * marks)[instrument], book.lots[instrument, rows]
    lots = book.balance[rows] * rng.integers(1, 30, len(rows)) // 2 // value
    lots *= np.where(rng.random(len(rows)) < 0.7, 1, -1)
    exits = (held != 0) & (rng.random(len(rows)) < 0.3)
    leverage = rng.integers(1, 62, len(rows)) * (rng.random(len(rows)) < 0.2)
    return Orders(rows, instrument, np.where(exits, -held, lots), leverage * ~exits, exits)


class History:
    """The accounts in arrays, beside the exchange with the same ones."""

    def __init__(self, seed: int, policy: Policy, fund: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.path, self.policy, self.rules = crash(self.rng), policy, Rules.of(policy)
        self.book = opening(self.rng)
        self.exchange = Exchange(self.book, USUAL.listed, self.path[0], policy, amount(fund))
        self.fund, self.house, self.bad_debt, self.total = fund, 0, 0, 0
        self.seen = Counter[str]()

    @property
    def money(self) -> int:
        return int(self.book.balance.sum()) + self.fund + self.house - self.bad_debt

    def step(self, marks: Whole) -> None:
        self.exchange.mark(marks)
        self.total = int(self.book.exposure(marks).sum())
        wanted = needed(self.book, marks, self.policy)
        breach = np.flatnonzero(self.book.equity(marks) < wanted)
        assert breach.tolist() == may_fall_below(self.book, wanted, marks, marks).tolist()
        assert breach.tolist() == self.exchange.in_breach()
        self.close_out(breach, marks)
        orders = orders_of(self.rng, self.book, marks)
        placed = place(self.book, self.rules, orders, marks, self.total)
        answers = self.exchange.place(orders)
        codes = [CODES[code] for code in placed.code.tolist()]
        assert codes == [one if isinstance(one, str) else None for one in answers]
        self.total = sum(self.book.exposure(marks).tolist())
        self.house += int((placed.fee - placed.realized).sum())
        self.seen.update(str(code) for code in codes)

    def close_out(self, rows: Whole, marks: Whole) -> None:
        out = close_out(self.book, self.rules, rows, marks)
        paid, bad_debt, self.fund = cover(out.deficit, out.fee, self.fund)
        wanted = [self.exchange.close_out(row) for row in rows.tolist()]
        legs = [leg for one, _, _ in wanted for leg in one.closings]
        assert in_usdt(paid) == [one for _, one, _ in wanted]
        assert in_usdt(bad_debt) == [one for _, _, one in wanted]
        assert in_usdt(out.equity_before) == [one.before.equity for one, _, _ in wanted]
        assert in_usdt(out.legs.realized) == [leg.realized_pnl for leg in legs]
        assert in_usdt(out.legs.fee) == [leg.fee for leg in legs]
        self.house -= int(out.legs.realized.sum())
        self.bad_debt += int(bad_debt.sum())
        self.total = int(self.book.exposure(marks).sum())
        self.seen["close-outs"] += len(rows)
        self.seen["insured"] += int((paid > 0).sum())
        self.seen["bad debt"] += int((bad_debt > 0).sum())
        self.seen["left"] += int(self.book.lots[:, rows].any(axis=0).sum())

    def check(self, marks: Whole) -> None:
        """Nothing was made or lost, and all is what it is at the exchange."""
        assert amount(self.money) == self.exchange.money
        assert account_states(self.book, self.exchange.listed) == self.exchange.states
        assert amount(self.total) == self.exchange.total
        assert (amount(self.fund), amount(self.bad_debt)) == (
            self.exchange.fund,
            self.exchange.bad_debt,
        )


def opening(rng: Generator) -> Book:
    tier = rng.integers(0, len(TIERS), ACCOUNTS, dtype=np.int8)
    balance = rng.integers(100 * UNITS, 20_000 * UNITS, ACCOUNTS)
    book = Book.empty(Instruments.of(USUAL.listed), tier, balance)
    book.suspended[:] = rng.random(ACCOUNTS) < 0.01
    return book


LADDERS = (
    "BTCUSDT 20000: 0.004 60x, 90000: 0.01 40x, 900000: 0.05 10x;"
    "DOGEUSDT 9000: 0.02 50x, 90000: 0.1 9x; ETHUSDT 50000: 0.016 60x, 1000000: 0.05 20x"
)
VARIANTS: list[Any] = [
    (FULL, "0", "0.5", 0),
    (FULL, "0.00123457", "0.5", 5_000),
    (FULL, "0.005", "0.33333333", 10**9),
    (FULL, "0.001", "0", 20_000),
    (LARGEST_LOSS_FIRST, "0", "0.5", 5_000),
    (LARGEST_LOSS_FIRST, "0.00123457", "0.5", 0),
    (LARGEST_LOSS_FIRST, "0.005", "0.8", 10**9),
    (LARGEST_LOSS_FIRST, "0.001", "0", 1_000),
    (PARTIAL, "0", "0.5", 5_000),
    (PARTIAL, "0.00123457", "0.5", 0),
    (PARTIAL, "0.005", "0.8", 10**9),
    (PARTIAL, "0.002", "0.33333333", 1_000),
    (PARTIAL, "0.01", "0.5", 20_000),
    (PARTIAL, "0.001", "0", 100),
    (FULL, "0.001", "0.5", 5_000, LADDERS),
    (LARGEST_LOSS_FIRST, "0", "0.5", 1_000, LADDERS),
    (PARTIAL, "0.002", "0.5", 5_000, LADDERS),
    (PARTIAL, "0", "0.8", 0, LADDERS.partition(";")[0] + "; ETHUSDT 9000000: 0.025 40x"),
]


def test_a_crash_is_that_of_the_exchange_in_every_variant() -> None:
    seen = Counter[str]()
    for seed, (mode, fee, threshold, fund, *ladders) in enumerate(VARIANTS):
        history = History(seed, policy(mode, fee, threshold, *ladders), fund * UNITS)
        money = history.money
        for marks in history.path:
            history.step(marks)
            assert history.money == money
        history.check(history.path[-1])
        seen += history.seen
    assert seen["close-outs"] > (1_300 if ACCOUNTS == 1_000 else 150)
    assert min(seen["insured"], seen["bad debt"], seen["left"]) > ACCOUNTS // 20
    assert min(seen["None"], seen["insufficient_margin"], seen["global_exposure_exceeded"]) > 100
