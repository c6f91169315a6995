"""The metrics of a cell, held to their definitions."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kpi.lab.cells.measuring import rolling_maximum, total
from kpi.lab.cells.metrics import LAR_MOVES, METRICS
from kpi.lab.cells.outcome import Books, Sample
from tests.kpi.lab.outcomes import HOURS, MARK, START, Closed, Made, whole

UNITS = 10**8
#: At MARK a position of this size is worth a hundred thousand USDT.
BTC = 100_000


def test_every_metric_is_taken_in_the_order_of_the_list() -> None:
    assert list(Made().metrics()) == list(METRICS)


def test_a_quiet_cell_has_no_share_of_nothing() -> None:
    found = Made().metrics()
    none = {name for name, value in found.items() if value is None}
    assert none == {
        "liquidated_share",
        "liquidated_long_share",
        "liquidated_burst_share",
        "impact_largest",
        "fund_ran_dry_at",
        "open_interest_fall",
        "leverage_p50",
        "leverage_p95",
    }
    assert {value for value in found.values() if value is not None} == {0, "0"}


def test_liquidated_notional_is_told_by_side_and_tier() -> None:
    closed = [Closed(row=0, lots=BTC), Closed(row=2, lots=-2 * BTC), Closed(row=2, lots=BTC)]
    found = Made(closed=closed, long_lots=[8 * BTC] * HOURS).metrics()
    assert (found["close_outs"], found["accounts_closed_out"]) == (3, 2)
    assert found["liquidated_notional"] == "400000"
    assert (found["liquidated_long"], found["liquidated_short"]) == ("200000", "200000")
    tiers = [found[f"liquidated_notional_{tier}"] for tier in ("beginner", "intermediate")]
    assert tiers == ["100000", "0"]
    assert found["liquidated_notional_advanced"] == "300000"
    assert found["accounts_closed_out_advanced"] == 1
    assert (found["liquidated_share"], found["liquidated_long_share"]) == ("0.5", "0.5")


def test_the_shortfall_is_what_fund_and_nobody_paid() -> None:
    closed = [Closed(paid=5, bad_debt=1), Closed(row=1, paid=0, bad_debt=7)]
    changes = {"fund_minimum": 0, "fund_empty_step": 3, "books": Books(9, 2, 8, 6, 7)}
    found = Made(closed=closed, changes=changes).metrics()
    assert [found[name] for name in ("shortfall", "insurance_paid", "bad_debt")] == [
        "0.00000013",
        "0.00000005",
        "0.00000008",
    ]
    assert (found["fund_ran_dry"], found["fund_ran_dry_at"]) == (1, START + 3 * 3600)
    assert (found["fund_end"], found["books_difference"]) == ("0.00000008", "0")


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
@example([2**63 - 1] * 5)
def test_no_sum_leaves_its_digits(values: list[int]) -> None:
    assert total(whole(*values)) == sum(values)


positions = st.tuples(
    st.integers(-10 * BTC, 10 * BTC).filter(bool),
    st.integers(0, 10**13),
    st.integers(0, 10**13),
)


@given(st.lists(positions, min_size=1, max_size=6), st.sampled_from(["0", "0.5", "0.33333333"]))
@example([(BTC, 10**13 * 3 // 100, 0)], "0")
@example([(BTC, 10**13 * 3 // 100 - 1, 0)], "0")
def test_lar_is_the_notional_of_those_a_move_puts_in_breach(
    held: list[tuple[int, int, int]], threshold: str
) -> None:
    lots, equity, margin = (np.array([column]) for column in zip(*held, strict=True))
    sample = Sample(0, np.arange(len(held)), lots, equity[0], margin)
    found = Made(samples=(sample,), threshold=threshold).metrics()
    for move in LAR_MOVES:
        sides = []
        for sign in (1, -1):
            closes = 0
            for size, worth, tied in held:
                moved = worth + Fraction(sign * move, 100) * 10 * size * MARK
                closes += 10 * abs(size) * MARK * (moved < Fraction(threshold) * tied)
            sides.append(closes)
        assert Decimal(found[f"lar_{move}"]) * UNITS == max(sides)


@pytest.mark.parametrize(("equity", "lar"), [(1_394, "0"), (1_393, "100000")])
def test_lar_by_brackets_asks_for_what_is_required_after_the_move(equity: int, lar: str) -> None:
    """A long of 100,000 at 1 % less: 1,000 lost, and 0.005 × 99,000 − 101 = 394 to be held."""
    ladder = "BTCUSDT 50500: 0.003 20x, 5000000: 0.005 10x"
    rules = {"margin_mode": "brackets", "maintenance_brackets": ladder}
    sample = Sample(0, whole(0), whole(BTC)[None], whole(equity * UNITS), whole(0)[None])
    assert Made(samples=(sample,), rules=rules).metrics()["lar_1"] == lar


def test_lar_is_that_of_the_worst_sample() -> None:
    samples = tuple(
        Sample(step, whole(0), whole(lots)[None], whole(1), whole(0)[None])
        for step, lots in enumerate((BTC, 3 * BTC, 2 * BTC))
    )
    assert Made(samples=samples).metrics()["lar_1"] == "300000"


def test_leverage_leaves_out_who_owns_nothing() -> None:
    lots, equity = whole(BTC, -BTC, BTC, BTC)[None], whole(10**13, 10**12, 0, 5 * 10**12)
    sample = Sample(0, np.arange(4), lots, equity, equity[None])
    found = Made(samples=(sample,)).metrics()
    assert (found["leverage_p50"], found["leverage_p95"]) == ("2.00000000", "10.00000000")


ENTRY = MARK + 1000
#: What a long, and a short, bought at ENTRY or sold as much below, lose where they are closed.
LOSS = -10 * BTC * 1000


@pytest.mark.parametrize(
    ("lots", "back", "hour", "lost"),
    [
        (BTC, ENTRY, 0, "10"),
        (BTC, ENTRY - 1, 5, "0"),
        (BTC, ENTRY, 23, "10"),
        (BTC, ENTRY, 24, "0"),
        (-BTC, MARK - 1000, 23, "10"),
        (-BTC, MARK - 999, 23, "0"),
        (-BTC, MARK - 1000, 24, "0"),
    ],
)
def test_a_loss_counts_as_early_if_the_entry_price_is_back_within_a_day(
    lots: int, back: int, hour: int, lost: str
) -> None:
    marks = [MARK] * HOURS
    marks[2 + hour] = back
    closed = [Closed(step=2, lots=lots, realized=LOSS)]
    assert Made(closed=closed, marks=marks).metrics()["lost_before_recovery"] == lost


def test_a_gain_that_was_closed_is_no_loss() -> None:
    closed = [Closed(realized=10**10)]
    assert Made(closed=closed).metrics()["lost_before_recovery"] == "0"


@pytest.mark.parametrize(
    ("steps", "cadence", "depth"),
    [([], 1, 0), ([5], 1, 1), ([1, 3, 4, 5, 5, 9, 10], 1, 3), ([0, 6, 12, 24], 6, 3)],
)
def test_a_cascade_is_a_run_of_bars_or_looks_that_close_somebody_out(
    steps: list[int], cadence: int, depth: int
) -> None:
    closed = [Closed(step=step) for step in steps]
    assert Made(closed=closed, cadence=cadence).metrics()["cascade_depth"] == depth


def test_the_worst_40_minutes_are_a_share_of_the_14_hours_about_them() -> None:
    lots = {12: 4, 13: 1, 19: 8, 26: -3, 27: 4}
    closed = [Closed(step=step, lots=lots * BTC) for step, lots in lots.items()]
    assert Made(closed=closed).metrics()["liquidated_burst_share"] == "0.66666667"


def test_open_interest_falls_from_a_day_s_highest_to_its_lowest() -> None:
    held = [BTC] * 5 + [10 * BTC] + [9 * BTC] * 22 + [4 * BTC] + [BTC] * 7
    found = Made(long_lots=held).metrics()
    assert found["open_interest_peak"] == "1000000"
    assert found["open_interest_mean"] == "622222.22222222"
    assert found["open_interest_fall"] == "0.88888889"


def test_loss_is_counted_from_what_accounts_were_worth_at_the_start() -> None:
    changes = {
        "opening": whole(100, 200, 300),
        "top_ups": whole(0, 50, 0),
        "equity_end": whole(90, 100, 400),
    }
    cost = 10 * MARK - 7
    found = Made(held_lots=(1, 0, 0), held_cost=(cost, 0, 0), changes=changes).metrics()
    assert found["traders_loss"] == "0.00000067"
    assert [found[f"traders_loss_{tier}"] for tier in ("beginner", "intermediate", "advanced")] == [
        "0.00000017",
        "0.0000015",
        "-0.000001",
    ]


def test_orders_are_counted_by_refusal() -> None:
    changes = {"orders": 9, "refused": {"insufficient_margin": 2, "below_min_notional": 1}}
    found = Made(changes=changes).metrics()
    assert (found["orders"], found["refused"], found["refused_insufficient_margin"]) == (9, 3, 2)


def test_the_largest_impact_is_told_in_percent() -> None:
    impact = np.log(np.array([[1.01], [0.97], [1.02]]))
    assert Made(changes={"impact": impact}).metrics()["impact_largest"] == "3.000000"


windows = st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 12)), min_size=1, max_size=40)


@given(windows)
def test_a_rolling_maximum_is_that_of_each_window(cases: list[tuple[int, int]]) -> None:
    values = [value for value, _ in cases]
    ends = whole(*(min(n + length, len(cases)) for n, (_, length) in enumerate(cases)))
    found = rolling_maximum(np.array([values, values[::-1]]), ends)
    assert found[0].tolist() == [max(values[n:end]) for n, end in enumerate(ends)]
    assert found[1].tolist() == [max(values[::-1][n:end]) for n, end in enumerate(ends)]
