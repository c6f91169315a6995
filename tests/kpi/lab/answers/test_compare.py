"""What a comparison tells of policies beside their baseline."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kpi.lab.answers.compare import Comparison, compare
from tests.each import each
from tests.kpi.lab.studies import cells, study

amounts = st.decimals(-(10**12), 10**12, places=8)
columns = st.lists(st.tuples(amounts, amounts), min_size=1, max_size=6)


def of_shortfall(values: dict[str, list[Any]], **options: Any) -> Comparison:
    """Compare policies by their shortfalls alone, one a seed."""
    seeds = max(map(len, values.values()))
    asked = study(policies=tuple(values), seeds=seeds, variants=("ohlc",), **options)
    return compare(asked, cells("shortfall", values))


def test_differences_are_paired_by_seed() -> None:
    found = of_shortfall({"seed": ["10", "100", "1000"], "esma": ["9", "98", "997"]})
    (difference,) = found["differences"]
    assert (difference["policy"], difference["metric"]) == ("esma", "shortfall")
    assert (difference["n"], difference["mean"], difference["median"]) == (3, "-2", "-2")
    assert (difference["low"], difference["high"], difference["p"]) == ("-3", "-1", "0.25")
    assert Decimal(difference["variance_ratio"] or 1) < Decimal("0.00001")


@given(columns)
def test_means_and_medians_are_exact(pairs: list[tuple[Decimal, Decimal]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    (found,) = of_shortfall({"seed": list(map(str, theirs)), "esma": list(map(str, ours))})[
        "differences"
    ]
    ranked = sorted(a - b for a, b in pairs)
    n = len(ranked)
    assert abs(Decimal(found["mean"]) * n - sum(ranked)) <= n * Decimal("0.000000005")
    middle = (ranked[(n - 1) // 2] + ranked[n // 2]) / 2
    assert abs(Decimal(found["median"]) - middle) <= Decimal("0.000000005")


@given(st.lists(amounts, min_size=1, max_size=6))
def test_a_policy_beside_itself_differs_by_exactly_nothing(values: list[Decimal]) -> None:
    same = list(map(str, values))
    found = of_shortfall({"seed": same, "again": same})
    (difference,) = found["differences"]
    parts = [difference[part] for part in ("mean", "median", "low", "high")]  # type: ignore[literal-required]
    assert parts == ["0"] * 4
    assert (difference["p"], difference["p_holm"]) == ("1", "1")
    (_, ranged) = found["ranges"]
    assert (ranged["difference_low"], ranged["difference_high"]) == ("0", "0")


def test_several_policies_are_adjusted_for_their_number() -> None:
    base, less = ["1", "1", "1", "1"], ["0", "0", "0", "0"]
    found = of_shortfall({"seed": base, "a": less, "b": less, "c": ["2", "0", "3", "1"]})
    ps = {one["policy"]: (one["p"], one["p_holm"]) for one in found["differences"]}
    assert ps == {"a": ("0.125", "0.375"), "b": ("0.125", "0.375"), "c": ("0.75", "0.75")}


def test_only_seeds_with_both_cells_and_a_value_are_paired() -> None:
    asked = study(seeds=4, variants=("ohlc",))
    made = cells("shortfall", {"seed": ["1", "2", None, "4"], "esma": ["0", "0", "0"]})
    found = compare(asked, made)
    assert [(one["n"], one["mean"]) for one in found["differences"]] == [(2, "-1.5")]
    assert {one["policy"]: one["n"] for one in found["levels"]} == {"seed": 3, "esma": 3}


def test_variants_stay_apart_and_bad_debt_is_their_range() -> None:
    asked = study(seeds=2, variants=("close", "ohlc"))
    made = cells("bad_debt", {"seed": ["1270", "1270"], "esma": ["70", "72"]}, "close")
    made |= cells("bad_debt", {"seed": ["300", "300"], "esma": ["0", "0"]}, "ohlc")
    found = compare(asked, made)
    assert [(one["variant"], one["mean"]) for one in found["differences"]] == [
        ("close", "-1199"),
        ("ohlc", "-300"),
    ]
    ranges = {one["policy"]: one for one in found["ranges"]}
    assert (ranges["seed"]["low"], ranges["seed"]["high"]) == ("300", "1270")
    assert (ranges["esma"]["difference_low"], ranges["esma"]["difference_high"]) == (
        "-1199",
        "-300",
    )


@each(("seeds", "var", "es"), [(5, "5", "5"), (20, "19", "20"), (30, "29", "29.66666667")])
def test_tails_are_the_worst_twentieth_of_the_seeds(seeds: int, var: str, es: str) -> None:
    found = of_shortfall({"seed": [str(n + 1) for n in reversed(range(seeds))]})
    assert [(one["var_95"], one["es_95"]) for one in found["tails"]] == [(var, es)]


def test_a_comparison_goes_through_json() -> None:
    found = of_shortfall({"seed": ["1.5", 2], "esma": [3, "0.00000001"]})
    assert json.loads(json.dumps(found)) == found


def test_without_cells_there_is_nothing_to_compare() -> None:
    found = compare(study(variants=("ohlc",)), {})
    assert (found["levels"], found["differences"], found["ranges"], found["tails"]) == (
        [],
        [],
        [],
        [],
    )
