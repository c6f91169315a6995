"""Three longs of 10 October 2025 are closed out where real candles and a calculator say."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from kpi.lab.accounts import Entries, Population
from kpi.lab.loop import run
from kpi.lab.specs import ImpactSpec, LabPolicy
from kpi.lab.tape import Tape
from market.kernel.amounts import plain
from risk.arrays.books import Instruments
from risk.arrays.units import amount, units
from risk.margin import liquidation_price
from risk.policy import PRESETS, TIERS
from tests.kpi.lab.made_up import instrument_states

#: BTCUSDT on Binance, 10 October 2025, bars of five minutes: open, high, low, close.
BARS = {
    "00:00": ("121662.41", "121754.34", "121662.41", "121695.19"),
    "15:25": ("119399.34", "119734", "119250", "119252.86"),
    "15:30": ("119252.86", "119252.86", "118500", "118669.25"),
    "20:45": ("117034.61", "117098.11", "116870.76", "116890.8"),
    "20:50": ("116890.8", "116890.8", "115145.46", "115406"),
    "21:10": ("114437.5", "114639.16", "109880", "112209.36"),
    "21:15": ("112209.36", "112510.92", "103800", "103975.26"),
}
ENTRY = Decimal("121662.41")
LEVERAGE = {"beginner": 5, "intermediate": 10, "advanced": 20}
MARGINS = [units((ENTRY / leverage).quantize(Decimal("1E-8"))) for leverage in LEVERAGE.values()]
#: A low between the close-out price and the mark before it.
CLOSED_OUT = {
    "beginner": ("21:15", "103800", "109496.169"),
    "intermediate": ("20:50", "115145.46", "115579.2895"),
    "advanced": ("15:30", "118500", "118620.84975"),
}


def at(time: str) -> int:
    hour, minute = map(int, time.split(":"))
    return int(datetime(2025, 10, 10, hour, minute, tzinfo=UTC).timestamp())


def path(open_: str, high: str, low: str, close: str) -> list[int]:
    """A falling bar goes from its open over its high and its low to its close, as replay does."""
    assert Decimal(open_) > Decimal(close) or open_ == low
    turns = (open_, low, high, close) if Decimal(close) >= Decimal(open_) else (
        open_, high, low, close
    )  # fmt: skip
    return [int(Decimal(price) * 100) for price in turns]


def october() -> Tape:
    states = instrument_states(Decimal(0))[:1]
    bar = np.repeat(np.arange(len(BARS), dtype=np.int32), 4)
    return Tape(
        instruments=Instruments.of(states),
        marks=np.array([[mark] for prices in BARS.values() for mark in path(*prices)]),
        times=np.array([at(time) for time in BARS])[bar],
        bar=bar,
        volume=np.ones((len(BARS), 1)),
        sha256="",
        rows=len(BARS),
        start=datetime(2025, 10, 10, tzinfo=UTC),
        end=datetime(2025, 10, 10, tzinfo=UTC) + timedelta(hours=21, minutes=20),
    )


def three_longs() -> Population:
    nothing, none = np.zeros((1, 3), np.int64), np.zeros(3, np.int64)
    return Population(
        names=tuple(LEVERAGE),
        tier=np.array([TIERS.index(tier) for tier in LEVERAGE], np.int8),
        balance=np.array(MARGINS),
        suspended=np.zeros(3, bool),
        lots=nothing,
        cost=nothing,
        margin=nothing,
        reserved_margin=none,
        reserved_notional=none,
        entries=Entries(
            row=np.arange(3, dtype=np.int32),
            instrument=np.zeros(3, np.int8),
            time=np.full(3, at("00:00")),
            lots=np.full(3, 100_000),
            long=np.ones(3, bool),
            leverage=np.array(list(LEVERAGE.values())),
            budget=none,
            exit_time=np.full(3, -1),
        ),
        stop=none,
        top_up=none,
        top_up_amount=none,
        sha256="",
    )


def test_longs_are_closed_out_at_the_lows_that_first_pass_their_prices() -> None:
    tape, people = october(), three_longs()
    policy = LabPolicy("seed", PRESETS["seed"], 1)
    outcome = run(tape, people, policy, impact=ImpactSpec(), fund=0)
    legs, outs = outcome.legs, outcome.close_outs
    assert not outcome.refused
    seen = {
        list(LEVERAGE)[row]: (int(tape.times[step]), plain(int(mark) * Decimal("0.01")))
        for row, step, mark in zip(outs.row, outs.step, legs.mark, strict=True)
    }
    assert seen == {tier: (at(time), low) for tier, (time, low, _) in CLOSED_OUT.items()}
    expected = [ENTRY / 5 - (ENTRY - Decimal(103_800))]
    assert [amount(int(outs.balance_before[2] + legs.realized[2]))] == expected


def test_their_prices_are_those_of_a_calculator() -> None:
    for margin, (_, _, price) in zip(MARGINS, CLOSED_OUT.values(), strict=True):
        found = liquidation_price(
            quantity=Decimal(1),
            mark_price=ENTRY,
            equity=amount(margin),
            position_margin=amount(margin),
            threshold=Decimal("0.5"),
        )
        assert found is not None
        assert plain(found) == price
