"""What whole cells promise of their metrics, and two of the same policy of their comparison."""

from decimal import Decimal
from typing import Any

import pytest

from kpi.lab.answers.compare import compare
from kpi.lab.cells.computing import Computer
from kpi.lab.cells.metrics import METRICS
from kpi.lab.inputs.config import cells, study_of
from kpi.lab.inputs.specs import Study
from risk.denials import DENIALS
from risk.policy import TIERS

ASKED = """
seeds = [1, 2]
[tape]
kind = "crash"
crash = { bars = 120, bar_minutes = 15, fall = 0.3 }
[population]
accounts = 400
leverage_median = 12
[fund]
opening = 1_000
[[policy]]
name = "once"
max_leverage = 50
liquidation_fee_rate = 0.001
[[policy]]
name = "again"
max_leverage = 50
liquidation_fee_rate = 0.001
[[policy]]
name = "less"
max_leverage = 5
[[variant]]
path = "close"
"""
Cells = dict[tuple[str, int, str], dict[str, Any]]


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of(ASKED, file="crash.toml", overrides={})


@pytest.fixture(scope="module")
def results(study: Study) -> Cells:
    computer = Computer(study)
    return {
        (plan.policy.name, plan.seed, plan.variant.name): computer.result(plan).metrics
        for plan in cells(study)
    }


def test_parts_add_up_to_their_whole_in_every_cell(results: Cells) -> None:
    for found in results.values():
        of = {name: Decimal(value or 0) for name, value in found.items()}
        assert of["shortfall"] == of["insurance_paid"] + of["bad_debt"]
        assert of["liquidated_notional"] == of["liquidated_long"] + of["liquidated_short"]
        for name in ("liquidated_notional", "accounts_closed_out", "traders_loss"):
            assert of[name] == sum(of[f"{name}_{tier}"] for tier in TIERS)
        assert of["refused"] == sum(of[f"refused_{code}"] for code in DENIALS)
        assert of["fund_end"] == 1000 + of["liquidation_fees"] - of["insurance_paid"]
        assert of["lar_1"] <= of["lar_2"] <= of["lar_3"] <= of["lar_5"] <= of["lar_10"]
        assert of["books_difference"] == 0


def test_the_crash_hurts(results: Cells) -> None:
    once = results["once", 1, "close"]
    assert once["close_outs"] > 0
    assert Decimal(once["bad_debt"]) > 0
    assert once["fund_ran_dry"] == 1
    assert Decimal(once["fund_minimum"]) == 0


def test_a_policy_beside_itself_differs_by_nothing_in_any_metric(
    study: Study, results: Cells
) -> None:
    found = [one for one in compare(study, results)["differences"] if one["policy"] == "again"]
    assert {one["metric"] for one in found} >= METRICS.keys() - {"impact_largest"}
    for one in found:
        assert (one["mean"], one["median"], one["low"], one["high"]) == ("0", "0", "0", "0")
        assert (one["p"], one["p_holm"]) == ("1", "1")
