"""Seeded accounts in arrays, and the same accounts as the Decimal functions take them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from numpy.random import Generator

from market.kernel.amounts import ZERO
from market.kernel.states import TradingState
from risk.arrays.books import Book, Instruments, of
from risk.arrays.maintenance import requirements
from risk.arrays.units import LARGEST, Whole, amount, ceil_div
from risk.fills import Holding
from risk.maintenance import INITIAL_SHARE, requirement_of
from risk.policy import MODES, PRESETS, TIERS, Policy, policy_from
from risk.state import AccountState, InstrumentState, OpenPosition

D = Decimal
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
#: How many random cases are tried of each rule: `make lab-trials` asks for 100,000.
TRIALS = int(os.environ.get("LAB_TRIALS", "2000"))
#: Accounts of one book; they share marks and a policy.
PER_BOOK = 100


def instrument(
    number: int, symbol: str, tick: str, lot: str, least: str, rate: str
) -> InstrumentState:
    return InstrumentState(
        number, symbol, D(tick), D(lot), D(least), D(0), D(rate), False, D(1), NOW
    )


@dataclass(frozen=True)
class Scale:
    """How large things are: prices in ticks by instrument, and powers of ten for the rest."""

    listed: Sequence[InstrumentState]
    prices: Sequence[tuple[int, int]]
    lots: int
    balance: int
    leverage: int
    ladders: str
    fee_rates: Sequence[str] = ("0", "0.00123457")


#: Where rounding and limits are met all the time: amounts of a few units.
TINY = Scale(
    [
        instrument(1, "ZZZ", "0.00000003", "1", "0.00000007", "0.3"),
        instrument(2, "AAA", "0.00000001", "1", "0", "0.05"),
        instrument(3, "MMM", "0.00000002", "3", "0.00000001", "0"),
    ],
    [(1, 9), (1, 20), (1, 4)],
    lots=1,
    balance=2,
    leverage=7,
    ladders="ZZZ 1: 0.14285714 7x; AAA 1: 0.1 9x, 2: 0.2 3x",
    fee_rates=("0", "0.1", "0.25"),
)
USUAL = Scale(
    [
        instrument(1, "BTCUSDT", "0.01", "0.00001", "5", "0.0005"),
        instrument(2, "ETHUSDT", "0.01", "0.0001", "5", "0.00045679"),
        instrument(3, "DOGEUSDT", "0.00001", "1", "1", "0.001"),
    ],
    [(2_000_000, 12_500_000), (100_000, 500_000), (5_000, 50_000)],
    lots=7,
    balance=13,
    leverage=30,
    ladders=(
        "BTCUSDT 300: 0.004 30x, 8000: 0.00512345 20x, 30000: 0.0165 10x, 1200000: 0.05 3x;"
        "DOGEUSDT 10: 0.02 25x, 20000: 0.33333333 2x"
    ),
)
#: Up to some thousand millions of USDT an account; with largest orders.
HUGE = Scale(
    [
        replace(USUAL.listed[0], max_order_size=D("20000.000005")),
        replace(USUAL.listed[1], max_order_value=D(900_000_000)),
    ],
    [(9_000_000, 12_500_000), (300_000, 500_000)],
    10,
    17,
    125,
    "BTCUSDT 300000: 0.004 125x, 90000000: 0.05 20x, 999999999999999: 0.5 1x",
    ("0", "0.01"),
)
SCALES = (TINY, USUAL, HUGE)


@dataclass(frozen=True)
class Case:
    """A book at marks, under a policy."""

    scale: Scale
    book: Book
    marks: Whole
    policy: Policy

    @property
    def listed(self) -> list[InstrumentState]:
        return marked(self.scale.listed, self.marks)


STATES = [state.value for state in TradingState]


def cases(
    seed: int, trials: int = TRIALS, margin_modes: Sequence[str] = (INITIAL_SHARE,)
) -> Iterator[tuple[Generator, Case]]:
    """Yield books of random accounts, ``trials`` accounts in all."""
    for number in range(max(trials // PER_BOOK, len(SCALES))):
        rng = np.random.default_rng([seed, number])
        yield rng, random_case(rng, SCALES[number % len(SCALES)], margin_modes=margin_modes)


def random_case(
    rng: Generator,
    scale: Scale,
    accounts: int = PER_BOOK,
    margin_modes: Sequence[str] = (INITIAL_SHARE,),
) -> Case:
    marks = np.array([rng.integers(low, high + 1) for low, high in scale.prices])
    policy = random_policy(rng, scale, margin_modes)
    return Case(scale, random_book(rng, scale, marks, policy, accounts), marks, policy)


def drawn_states(rng: Generator) -> list[str]:
    """Return a state for each tier, seldom another than the freest."""
    return [str(state) for state in rng.choice(STATES, len(TIERS), p=[0.92, 0.04, 0.04])]


def random_policy(rng: Generator, scale: Scale, margin_modes: Sequence[str]) -> Policy:
    """Return a policy that seldom holds trading back, with no limit of exposure."""
    values = {
        "max_leverage": {tier: int(rng.integers(1, scale.leverage + 1)) for tier in TIERS},
        "trading_halted": bool(rng.random() < 0.08),
        "trading_reducing": bool(rng.random() < 0.04),
        "tier_state": dict(zip(TIERS, drawn_states(rng), strict=True)),
        "liquidation_threshold": D(str(rng.choice(["0", "0.33333333", "0.5", "1", "1.5"]))),
        "liquidation_mode": str(rng.choice(MODES)),
        "margin_mode": str(rng.choice(margin_modes)),
        "maintenance_brackets": scale.ladders,
        "close_out_target": D(str(rng.choice(["1", "1.25", "1.33333333", "3"]))),
        "close_out_share": D(str(rng.choice(["0.1", "0.33333333", "0.5", "1"]))),
        "liquidation_fee_rate": D(str(rng.choice(scale.fee_rates))),
    }
    return policy_from(values, base=PRESETS["none"])


def random_book(rng: Generator, scale: Scale, marks: Whole, policy: Policy, accounts: int) -> Book:
    """Return accounts of which half are within some units of the threshold."""
    listed = Instruments.of(scale.listed)
    shape = (len(listed.symbols), accounts)
    held = rng.integers(0, 10 ** rng.integers(0, scale.lots + 1, shape)) * (rng.random(shape) < 0.6)
    # At the highest prices half of the range is left for what is traded.
    highest = listed.unit * [high for _, high in scale.prices]
    held = np.minimum(held, (LARGEST // 2 // len(highest) // highest)[:, None])
    entry = np.array([rng.integers(lo, hi + 1, accounts) for lo, hi in scale.prices])
    cost = held * entry * listed.unit[:, None]
    margin = np.where(held > 0, ceil_div(cost, rng.integers(1, scale.leverage + 1, shape)), 0)
    margin = np.where(rng.random(shape) < 0.05, 0, margin)
    cost = np.where(held > 0, np.maximum(cost + rng.integers(-2, 3, shape), 0), 0)
    side = rng.choice([-1, 1], shape)
    book = Book(
        listed,
        tier=rng.integers(0, len(TIERS), accounts, dtype=np.int8),
        balance=rng.integers(0, 10 ** rng.integers(0, scale.balance + 1, accounts)),
        lots=held * side,
        cost=cost * side,
        margin=margin,
        reserved_margin=sometimes(rng, 0.2, 10**scale.balance, accounts),
        reserved_notional=sometimes(rng, 0.2, 10**scale.balance, accounts),
        suspended=rng.random(accounts) < 0.03,
    )
    slack = book.equity(marks) - needed(book, marks, policy)
    near = book.balance - slack + rng.integers(-2, 3, accounts)
    chosen = (rng.random(accounts) < 0.5) & (near >= 0) & (near < LARGEST // 10)
    book.balance[chosen] = near[chosen]
    return book


def needed(book: Book, marks: Whole, policy: Policy, rows: Whole | None = None) -> Whole:
    """Return the least equity of each account that is not in breach at marks."""
    by, lots = requirements(requirement_of(policy), book.instruments.symbols), of(book.lots, rows)
    return by.needed(np.abs(lots) * book.lot_values(marks)[:, None], of(book.margin, rows))


def sometimes(rng: Generator, chance: float, most: int, accounts: int) -> Whole:
    return rng.integers(0, most + 1, accounts) * (rng.random(accounts) < chance)


def marked(listed: Sequence[InstrumentState], marks: Whole) -> list[InstrumentState]:
    """Return instruments at marks."""
    return [
        replace(one, mark_price=one.tick_size * mark)
        for one, mark in zip(listed, marks.tolist(), strict=True)
    ]


def position(one: InstrumentState, holding: Holding) -> OpenPosition:
    assert one.mark_price is not None
    return OpenPosition(None, one.id, one.symbol, holding, 1, ZERO, one.mark_price)


def at_marks(state: AccountState, marks: Mapping[int, Decimal | None]) -> AccountState:
    """Return an account at marks, by instrument id; written out, since tests ask for it a lot."""
    if not state.positions:
        return state
    positions = {}
    for key, one in state.positions.items():
        mark = marks[key]
        assert mark is not None
        positions[key] = OpenPosition(
            one.id,
            one.instrument_id,
            one.symbol,
            one.holding,
            one.leverage,
            one.realized_pnl,
            mark,
        )
    return AccountState(
        state.account_id,
        state.user_id,
        state.balance,
        positions,
        state.reserved_margin,
        state.reserved_notional,
    )


def account_state(book: Book, row: int, listed: Sequence[InstrumentState]) -> AccountState:
    """Return an account of a book as the Decimal functions take it."""
    positions = {}
    for index, one in enumerate(listed):
        lots = int(book.lots[index, row])
        if lots:
            cost, margin = amount(book.cost[index, row]), amount(book.margin[index, row])
            positions[one.id] = position(one, Holding(lots * one.lot_size, cost, margin))
    return AccountState(
        account_id=row,
        user_id=row,
        balance=amount(book.balance[row]),
        positions=positions,
        reserved_margin=amount(book.reserved_margin[row]),
        reserved_notional=amount(book.reserved_notional[row]),
    )


def account_states(book: Book, listed: Sequence[InstrumentState]) -> list[AccountState]:
    return [account_state(book, row, listed) for row in range(len(book.tier))]


def in_usdt(wholes: Whole) -> list[Decimal]:
    return [amount(whole) for whole in wholes.tolist()]
