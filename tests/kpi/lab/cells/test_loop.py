"""The loop over steps does what the exchange's functions do one by one, in every mode."""

import os
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from kpi.lab.cells import loop
from kpi.lab.cells.computing import digest_of
from kpi.lab.cells.loop import run
from kpi.lab.cells.outcome import Outcome
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import ImpactSpec, LabPolicy
from kpi.lab.inputs.tape import Tape
from risk.arrays.units import UNITS, amount, units
from risk.policy import PRESETS, policy_from
from tests.kpi.lab.made_up import instrument_states, make_population, make_tape
from tests.kpi.lab.plain import Plain

FUND = Decimal(3_000)
NO_IMPACT = ImpactSpec()

LADDERS = (
    "BTCUSDT 30000: 0.01 30x, 60000: 0.02 25x, 200000: 0.04 20x, 900000: 0.15 6x;"
    "ETHUSDT 9000: 0.02 30x, 300000: 0.1234567 8x"
)
#: Policies that differ in everything that decides, and the instruments' fee rate.
VARIANTS = {
    "full": ({}, 1, Decimal(0)),
    "full with fees": ({"liquidation_fee_rate": Decimal("0.0125")}, 1, Decimal("0.0004")),
    "partly": ({"liquidation_mode": "largest_loss_first"}, 1, Decimal(0)),
    "partly with fees": (
        {"liquidation_mode": "largest_loss_first", "liquidation_fee_rate": Decimal("0.005")},
        1,
        Decimal("0.00075"),
    ),
    "in parts": (
        {"liquidation_mode": "partial", "liquidation_fee_rate": Decimal("0.002")},
        1,
        Decimal("0.0004"),
    ),
    "in small parts": (
        {
            "liquidation_mode": "partial",
            "close_out_share": Decimal("0.2"),
            "close_out_target": Decimal("1.1"),
        },
        1,
        Decimal(0),
    ),
    "by brackets": (
        {"margin_mode": "brackets", "maintenance_brackets": LADDERS, "max_leverage": 30},
        1,
        Decimal("0.0004"),
    ),
    "by brackets partly": (
        {
            "margin_mode": "brackets",
            "maintenance_brackets": LADDERS,
            "liquidation_mode": "largest_loss_first",
            "liquidation_fee_rate": Decimal("0.003"),
            "max_leverage": 30,
        },
        1,
        Decimal(0),
    ),
    "by brackets in parts": (
        {
            "margin_mode": "brackets",
            "maintenance_brackets": LADDERS,
            "liquidation_mode": "partial",
            "liquidation_fee_rate": Decimal("0.001"),
            "volatility_bands": "0.02: 0.75",
            "max_leverage": 30,
        },
        3,
        Decimal("0.0004"),
    ),
    "by brackets of one": (
        {
            "margin_mode": "brackets",
            "maintenance_brackets": "BTCUSDT 900000: 0.02 20x",
            "liquidation_mode": "partial",
            "close_out_share": Decimal("0.3"),
        },
        1,
        Decimal(0),
    ),
    "seldom": ({"liquidation_mode": "largest_loss_first"}, 7, Decimal(0)),
    "no threshold": ({"liquidation_threshold": Decimal(0), "max_leverage": 125}, 1, Decimal(0)),
    "high threshold": ({"liquidation_threshold": Decimal("0.83333333")}, 3, Decimal("0.001")),
    "by volatility": (
        {"volatility_bands": "0.01: 0.75, 0.03: 0.4", "volatility_window_minutes": 20},
        1,
        Decimal("0.0004"),
    ),
    "capped": (
        {
            "user_exposure_limit": Decimal(120_000),
            "global_exposure_threshold": Decimal(3_000_000),
        },
        1,
        Decimal("0.0004"),
    ),
}


#: `make lab-trials` tries each variant with both seeds and every length of blocks.
MANY = "LAB_TRIALS" in os.environ
SEEDED = [(name, 1 + n % 2) for n, name in enumerate(VARIANTS)]
SEEDED += [(name, 2 - n % 2) for n, name in enumerate(VARIANTS) if MANY]
LENGTHS = (1, 5, 16, 60) if MANY else (1, 16)


def a_policy(name: str) -> tuple[LabPolicy, Decimal]:
    changes, cadence, fee_rate = VARIANTS[name]
    return LabPolicy(name, policy_from(changes, PRESETS["seed"]), cadence), fee_rate


def made_up(
    seed: int, fee_rate: Decimal = Decimal(0), *, accounts: int = 120, bars: int = 24
) -> tuple[Tape, Population]:
    rng = np.random.default_rng(seed)
    tape = make_tape(rng, bars, fee_rate)
    return tape, make_population(rng, tape, accounts)


def close_outs_of(outcome: Outcome) -> list[tuple[object, ...]]:
    outs = outcome.close_outs
    money = (outs.balance_before, outs.equity_before, outs.margin_before, outs.paid, outs.bad_debt)
    return [
        (step, row, *map(amount, rest))
        for step, row, *rest in zip(
            outs.step.tolist(), outs.row.tolist(), *(m.tolist() for m in money), strict=True
        )
    ]


def legs_of(outcome: Outcome, tape: Tape) -> list[tuple[object, ...]]:
    legs, instruments = outcome.legs, tape.instruments
    return [
        (
            int(outcome.close_outs.step[legs.close_out[i]]),
            int(outcome.close_outs.row[legs.close_out[i]]),
            instruments.symbols[legs.instrument[i]],
            int(legs.lots[i]) * instruments.lot[legs.instrument[i]],
            int(legs.mark[i]) * instruments.tick[legs.instrument[i]],
            amount(int(legs.fee[i])),
        )
        for i in range(len(legs.mark))
    ]


@pytest.mark.parametrize(("name", "seed"), SEEDED)
def test_each_close_out_is_the_one_of_the_exchange(name: str, seed: int) -> None:
    policy, fee_rate = a_policy(name)
    tape, people = made_up(seed, fee_rate)
    outcome = run(tape, people, policy, impact=NO_IMPACT, fund=units(FUND))
    plain = Plain(tape, instrument_states(fee_rate), people, policy, FUND).run()
    assert len(plain.close_outs) > 5
    assert close_outs_of(outcome) == plain.close_outs
    assert legs_of(outcome, tape) == plain.legs
    assert outcome.refused == plain.refused
    assert amount(outcome.volume) == plain.volume
    assert outcome.stops == plain.stops
    assert amount(outcome.books.fund) == plain.fund
    balances = [amount(balance) for balance in outcome.balance_end.tolist()]
    assert balances == [account.balance for account in plain.accounts]
    assert outcome.books.difference == 0
    unpaid = [step for step, *_, bad_debt in plain.close_outs if bad_debt]
    assert outcome.fund_empty_step == (unpaid[0] if unpaid else -1)
    assert amount(outcome.fund_minimum) == plain.fund_least
    assert open_interest_of(outcome) == plain.open_interest()
    closed = sum((abs(leg[3]) * leg[4] for leg in plain.legs), Decimal(0))
    bars = outcome.bars
    assert amount(int(bars.closed_long.sum() + bars.closed_short.sum())) == closed


def open_interest_of(outcome: Outcome) -> list[tuple[int, int]]:
    """Long and short lots at the end, by instrument."""
    bars = outcome.bars
    return list(zip(bars.long_lots[:, -1].tolist(), bars.short_lots[:, -1].tolist(), strict=True))


@pytest.mark.parametrize("name", ["full with fees", "seldom", "capped", "by volatility"])
@pytest.mark.parametrize("mode", ["none", "absolute"])
def test_how_long_blocks_are_makes_no_difference(
    name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, fee_rate = a_policy(name)
    tape, people = made_up(2, fee_rate, accounts=150, bars=40)
    impact = ImpactSpec(mode=mode, weight=Decimal(40))
    outcomes = []
    for block in LENGTHS:
        monkeypatch.setattr(loop, "BLOCK", block)
        outcomes.append(run(tape, people, policy, impact=impact, fund=units(FUND)))
    first = outcomes[0]
    assert len(first.close_outs.row) > 20
    for other in outcomes[1:]:
        assert close_outs_of(other) == close_outs_of(first)
        assert np.array_equal(other.balance_end, first.balance_end)
        assert np.array_equal(other.bars.marks, first.bars.marks)


@pytest.mark.parametrize(
    "name", ["full with fees", "seldom", "capped", "no threshold", "by volatility"]
)
def test_what_is_done_for_several_bars_at_once_is_what_each_would_have_done(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of accounts that order once, so that most bars go together, and fall soon after."""
    policy, fee_rate = a_policy(name)
    rng = np.random.default_rng(3)
    tape = make_tape(rng, 200, fee_rate)
    people = make_population(rng, tape, accounts=300, entries=1)
    impact = ImpactSpec(mode="absolute", weight=Decimal(40))
    together = run(tape, people, policy, impact=impact, fund=units(FUND))
    assert together.orders > 300
    monkeypatch.setattr(loop, "BLOCK", 1)
    apart = run(tape, people, policy, impact=impact, fund=units(FUND))
    assert digest_of(together, counts_of(together)) == digest_of(apart, counts_of(apart))
    for one, other in zip(together.samples, apart.samples, strict=True):
        assert (one.step, one.equity.tolist()) == (other.step, other.equity.tolist())


def counts_of(outcome: Outcome) -> dict[str, object]:
    named = ("orders", "volume", "stops", "fund_minimum", "fund_empty_step", "peak_exposure")
    return {"refused": dict(outcome.refused), "books": str(outcome.books)} | {
        name: getattr(outcome, name) for name in named
    }


def test_forced_sales_move_the_steps_after_them() -> None:
    policy, _ = a_policy("full")
    tape, people = made_up(4, accounts=300)
    people = replace(people, stop=np.zeros_like(people.stop))
    alone = run(tape, people, policy, impact=NO_IMPACT, fund=units(FUND))
    moved = run(
        tape, people, policy, impact=ImpactSpec(mode="absolute", weight=Decimal(50)), fund=0
    )
    first = int(alone.close_outs.step[0])
    assert moved.close_outs.step[0] == first
    assert moved.impact is not None
    assert not moved.impact[: first + 1].any()
    assert moved.impact[first + 1].any()
    assert moved.impact.min() < 0
    assert (moved.bars.marks < alone.bars.marks).any()


def test_the_baseline_trades_at_the_tape_and_a_policy_like_it_too() -> None:
    policy, _ = a_policy("full")
    tape, people = made_up(5, accounts=200)
    impact = ImpactSpec(mode="differential", weight=Decimal(50))
    baseline = run(tape, people, policy, impact=impact, fund=units(FUND))
    assert np.array_equal(baseline.bars.marks.T, tape.marks[3::4])
    same = run(tape, people, policy, impact=impact, fund=units(FUND), baseline=baseline.impact)
    assert close_outs_of(same) == close_outs_of(baseline)
    assert np.array_equal(same.balance_end, baseline.balance_end)
    patient = policy_from({"liquidation_threshold": Decimal(0)}, PRESETS["seed"])
    other = LabPolicy("patient", patient, 1)
    gentler = run(tape, people, other, impact=impact, fund=units(FUND), baseline=baseline.impact)
    sold_less = gentler.bars.closed_long.sum() < baseline.bars.closed_long.sum()
    assert sold_less
    moved = gentler.bars.marks - baseline.bars.marks
    assert moved.sum() > 0, "the tape holds sales that this policy did not force"


def test_a_policy_leaves_the_population_alone() -> None:
    policy, _ = a_policy("partly")
    tape, people = made_up(6)
    before = people.balance.copy()
    first = run(tape, people, policy, impact=NO_IMPACT, fund=units(FUND))
    second = run(tape, people, policy, impact=NO_IMPACT, fund=units(FUND))
    assert np.array_equal(people.balance, before)
    assert not people.lots.any()
    assert close_outs_of(first) == close_outs_of(second)


def test_a_top_up_counts_as_a_deposit() -> None:
    policy, _ = a_policy("full")
    tape, people = made_up(7)
    everybody = np.full(len(people.balance), UNITS * 8 // 10)
    people = replace(people, top_up=everybody, top_up_amount=np.full_like(everybody, 500 * UNITS))
    outcome = run(tape, people, policy, impact=NO_IMPACT, fund=0)
    assert outcome.top_ups.any()
    assert set(outcome.top_ups.tolist()) == {0, 500 * UNITS}
    assert outcome.books.difference == 0
