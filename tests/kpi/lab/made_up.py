"""Small made-up tapes and populations, from a seed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from kpi.lab.inputs.accounts import Entries, Population
from kpi.lab.inputs.tape import Tape
from risk.arrays.books import Instruments
from risk.arrays.units import UNITS
from risk.state import InstrumentState

START = datetime(2025, 10, 10, tzinfo=UTC)
BAR_SECONDS = 300
STEPS_A_BAR = 4

SYMBOLS = ("BTCUSDT", "ETHUSDT")
TICKS = (Decimal("0.01"), Decimal("0.01"))
LOTS = (Decimal("0.00001"), Decimal("0.0001"))
FIRST_MARKS = (6_500_000, 320_000)


def instrument_states(taker_fee_rate: Decimal) -> list[InstrumentState]:
    return [
        InstrumentState(
            id=number,
            symbol=symbol,
            tick_size=TICKS[number],
            lot_size=LOTS[number],
            min_notional=Decimal(5),
            maker_fee_rate=Decimal(0),
            taker_fee_rate=taker_fee_rate,
            halted=False,
            mark_price=None,
            marked_at=None,
        )
        for number, symbol in enumerate(SYMBOLS)
    ]


def make_tape(
    rng: np.random.Generator, bars: int, taker_fee_rate: Decimal = Decimal(0), spread: float = 0.006
) -> Tape:
    """Marks that walk at random and fall by a fifth in the middle."""
    steps = bars * STEPS_A_BAR
    walk = np.cumsum(rng.normal(0, spread, size=(steps, 2)), axis=0)
    walk[steps // 2 :] -= 0.2
    marks = np.rint(np.array(FIRST_MARKS) * np.exp(walk)).astype(np.int64)
    bar = np.repeat(np.arange(bars, dtype=np.int32), STEPS_A_BAR)
    return Tape(
        instruments=Instruments.of(instrument_states(taker_fee_rate)),
        marks=marks,
        times=int(START.timestamp()) + BAR_SECONDS * bar.astype(np.int64),
        bar=bar,
        volume=np.full((bars, 2), 2e6),
        sha256="made up",
        rows=bars,
        start=START,
        end=START + timedelta(seconds=BAR_SECONDS * bars),
    )


def make_population(
    rng: np.random.Generator, tape: Tape, accounts: int, entries: int = 4
) -> Population:
    """Accounts that enter with most of what they own, some with a stop or a top-up."""
    count = accounts * entries
    row = rng.integers(0, accounts, count).astype(np.int32)
    balance = rng.integers(100 * UNITS, 20_000 * UNITS, accounts)
    time = int(START.timestamp()) + rng.integers(0, BAR_SECONDS * tape.rows, count)
    instrument = rng.integers(0, 2, count).astype(np.int8)
    tier = rng.integers(0, 3, accounts).astype(np.int8)
    highest = np.array([5, 10, 20])[tier[row]]
    leverage = rng.integers(highest // 2, highest + 2)
    notional = (balance[row] * rng.uniform(0.2, 0.9, count)).astype(np.int64) * leverage
    of_a_lot = tape.instruments.unit[instrument] * tape.marks[0, instrument]
    lots = notional // of_a_lot * rng.choice([1, 1, 1, -1], count)
    exit_time = np.where(rng.random(count) < 0.4, time + rng.integers(0, 7_200, count), -1)
    order = np.lexsort((row, time))
    return Population(
        names=None,
        tier=tier,
        balance=balance,
        suspended=rng.random(accounts) < 0.03,
        lots=np.zeros((2, accounts), np.int64),
        cost=np.zeros((2, accounts), np.int64),
        margin=np.zeros((2, accounts), np.int64),
        reserved_margin=np.zeros(accounts, np.int64),
        reserved_notional=np.zeros(accounts, np.int64),
        entries=Entries(
            row=row[order],
            instrument=instrument[order],
            time=time[order],
            lots=lots[order],
            long=lots[order] > 0,
            leverage=leverage[order],
            budget=np.zeros(count, np.int64),
            exit_time=exit_time[order],
        ),
        stop=shares(rng, accounts, 0.3),
        top_up=shares(rng, accounts, 0.3),
        top_up_amount=rng.integers(0, 2_000 * UNITS, accounts),
        sha256="made up",
    )


def shares(rng: np.random.Generator, accounts: int, chosen: float) -> np.ndarray:
    drawn = rng.integers(UNITS // 5, UNITS * 9 // 10, accounts)
    return np.where(rng.random(accounts) < chosen, drawn, 0)
