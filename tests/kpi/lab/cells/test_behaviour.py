"""What an agent wants was drawn before; a policy's cap changes how much of it the agent gets."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from kpi.lab.cells import series
from kpi.lab.cells.behaviour import wishes
from kpi.lab.cells.loop import run
from kpi.lab.cells.series import series_of
from kpi.lab.inputs.accounts import Population
from kpi.lab.inputs.specs import ImpactSpec, LabPolicy
from risk.arrays.maintenance import requirements
from risk.arrays.rules import Rules
from risk.arrays.units import UNITS
from risk.policy import PRESETS, Policy, policy_from
from tests.kpi.lab.made_up import make_population, make_tape

BUDGET = 1_000 * UNITS
TAPE = make_tape(np.random.default_rng(1), bars=12)
SEED = LabPolicy("seed", PRESETS["seed"], 1)


def wanting(leverage: int, *, balance: int = 100_000) -> Population:
    """Beginners who each enter once, long, with a budget of 1,000 USDT; no stops, no top-ups."""
    people = make_population(np.random.default_rng(2), TAPE, accounts=4, entries=1)
    count, none = len(people.entries.row), np.zeros(4, np.int64)
    entries = replace(
        people.entries,
        row=np.arange(count, dtype=np.int32),
        lots=np.zeros(count, np.int64),
        long=np.ones(count, bool),
        leverage=np.full(count, leverage),
        budget=np.full(count, BUDGET),
        exit_time=np.full(count, -1),
        time=np.full(count, int(TAPE.times[0])),
    )
    return replace(
        people,
        tier=np.zeros(4, np.int8),
        balance=np.full(4, balance * UNITS),
        suspended=np.zeros(4, bool),
        entries=entries,
        stop=none,
        top_up=none,
        top_up_amount=none,
    )


@pytest.mark.parametrize(
    ("wanted", "stickiness", "used", "notional"),
    [
        (3, 0.0, 3, 3_000),
        (5, 0.0, 5, 5_000),
        (20, 0.0, 5, 5_000),
        (20, 1.0, 5, 20_000),
        (20, 0.5, 5, 10_000),
        (3, 1.0, 3, 3_000),
    ],
)
def test_a_cap_of_five_leaves_what_stickiness_says(
    wanted: int, stickiness: float, used: int, notional: int
) -> None:
    assert wishes_of(PRESETS["seed"], wanted, stickiness) == ({used}, {notional * UNITS})


def wishes_of(policy: Policy, wanted: int, stickiness: float = 0.0) -> tuple[set[int], set[int]]:
    """Return leverage and notional that agents with a budget of 1,000 USDT ask for."""
    by = requirements(policy.requirement, TAPE.instruments.symbols)
    leverage, asked = wishes(wanting(wanted), Rules.of(policy), by, stickiness)
    return set(leverage.tolist()), set(asked.tolist())


@pytest.mark.parametrize(
    ("cap", "wanted", "used"),
    [
        (7_000, 4, 4),
        (7_000, 7, 7),
        (7_000, 8, 6),
        (7_000, 20, 6),
        (12_000, 10, 10),
        (12_000, 20, 10),
    ],
)
def test_by_brackets_agents_have_the_most_that_their_own_bracket_allows(
    cap: int, wanted: int, used: int
) -> None:
    """Up to a cap in USDT 10x, and 6x beyond."""
    ladder = f"{cap}: 0.01 10x, 50000: 0.02 6x"
    rules = {
        "margin_mode": "brackets",
        "maintenance_brackets": f"BTCUSDT {ladder}; ETHUSDT {ladder}",
        "max_leverage": 15,
    }
    policy = policy_from(rules, PRESETS["seed"])
    assert wishes_of(policy, wanted) == ({used}, {used * 1_000 * UNITS})


def volume_of(people: Population, policy: LabPolicy, stickiness: float = 0.0) -> int:
    outcome = run(TAPE, people, policy, impact=ImpactSpec(), fund=0, stickiness=stickiness)
    assert not outcome.refused
    return outcome.volume


def test_entries_are_whole_lots_of_what_was_asked_for() -> None:
    entries = wanting(20).entries
    of_a_lot = TAPE.instruments.unit[entries.instrument] * TAPE.marks[0, entries.instrument]
    expected = 5_000 * UNITS // of_a_lot * of_a_lot
    assert volume_of(wanting(20), SEED) == expected.sum()


def test_nobody_ties_up_more_than_the_balance_bears() -> None:
    """Who sticks to the notional would need 4,000 USDT of margin, and has 1,200."""
    got = volume_of(wanting(20, balance=1_200), SEED, stickiness=1.0)
    assert 4 * 1_140 * 5 * 99 // 100 * UNITS < got <= 4 * 1_140 * 5 * UNITS


def test_a_higher_cap_lets_them_have_what_they_want() -> None:
    wide = LabPolicy("wide", policy_from({"max_leverage": 20}, PRESETS["seed"]), 1)
    ratio = Decimal(volume_of(wanting(20), wide)) / volume_of(wanting(20), SEED)
    assert round(ratio, 2) == 4


def test_a_course_has_the_sums_and_ends_of_its_bars() -> None:
    people = make_population(np.random.default_rng(3), TAPE, accounts=60)
    outcome = run(TAPE, people, SEED, impact=ImpactSpec(), fund=10**6 * UNITS)
    course = series_of(outcome, TAPE)
    closed = course["liquidated_long"], course["liquidated_short"]
    whole = outcome.bars.closed_long.sum() + outcome.bars.closed_short.sum()
    assert whole > 0
    assert abs(sum(map(sum, closed)) - whole // UNITS) <= 2 * len(course["time"])
    assert course["time"] == sorted(set(TAPE.times.tolist()))
    assert course["fund"][-1] == outcome.books.fund // UNITS
    assert Decimal(course["price"]["BTCUSDT"][-1]) == Decimal(int(TAPE.marks[-1, 0])) / 100


def test_a_long_course_is_thinned_to_the_ends_and_sums_of_its_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Eleven bars in points of three, the last one of two."""
    rng = np.random.default_rng(3)
    tape = make_tape(rng, bars=11)
    people = make_population(rng, tape, accounts=60)
    outcome = run(tape, people, SEED, impact=ImpactSpec(), fund=10**6 * UNITS)
    whole = series_of(outcome, tape)
    monkeypatch.setattr(series, "POINTS", 5)
    thinned = series_of(outcome, tape)
    ends = [2, 5, 8, 10]
    assert thinned["time"] == whole["time"][::3]
    for line in ("fund", "long", "short"):
        assert thinned[line] == [whole[line][end] for end in ends]
    for symbol, course in whole["price"].items():
        assert thinned["price"][symbol] == [course[end] for end in ends]
    for line in ("liquidated_long", "liquidated_short"):
        sums = [sum(whole[line][first : first + 3]) for first in (0, 3, 6, 9)]
        assert all(0 <= a - b < 3 for a, b in zip(thinned[line], sums, strict=True))
    assert any(thinned["liquidated_long"] + thinned["liquidated_short"])
