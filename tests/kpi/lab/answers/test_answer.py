"""The answer as a sentence, and figures as people read them."""

from typing import Any

from kpi.lab.answers.answer import amount, answer_sentence, change
from kpi.lab.answers.compare import compare
from tests.each import each
from tests.kpi.lab.studies import Cells, cells, study


def both(liquidated: dict[str, list[Any]], shortfall: dict[str, list[Any]], variant: str) -> Cells:
    """Return cells that have both metrics which the answer speaks of."""
    made = cells("liquidated_notional", liquidated, variant)
    for place, metrics in cells("shortfall", shortfall, variant).items():
        made[place] |= metrics
    return made


def test_the_answer_names_interval_seeds_and_range() -> None:
    made = both(
        {"seed": [5_000_000, 6_000_000], "esma": [3_000_000, 4_500_000]},
        {"seed": [1_270_000, 1_270_000], "esma": [0, 0]},
        "close",
    )
    made |= cells("shortfall", {"seed": [300_000], "esma": [0]}, "ohlc")
    answer = answer_sentence(compare(study(seeds=2, variants=("close", "ohlc")), made))
    assert answer == (
        "Compared with seed, over 2 seeds, esma would have liquidated 1.75 M USDT less (95 %"
        " interval 1.50 M to 2.00 M USDT) and left others to pay 300,000 to 1.27 M USDT less, over"
        " 2 resolutions of the candles."
    )


def test_a_difference_that_may_be_none_says_so_by_its_interval() -> None:
    made = both(
        {"seed": [5000, 5000], "esma": [4000, 5500]}, {"seed": [1, 1], "esma": [1, 1]}, "ohlc"
    )
    answer = answer_sentence(compare(study(seeds=2, variants=("ohlc",)), made))
    assert "250 USDT less (95 % interval 1,000 less to 500 USDT more)" in answer
    assert answer.endswith("and left others to pay exactly as much.")


def test_the_same_policy_twice_liquidates_exactly_as_much() -> None:
    same = {"seed": [5000, 6000], "again": [5000, 6000]}
    made = both(same, same, "ohlc")
    asked = study(policies=("seed", "again"), seeds=2, variants=("ohlc",))
    assert answer_sentence(compare(asked, made)) == (
        "Compared with seed, over 2 seeds, again would have liquidated exactly as much and left"
        " others to pay exactly as much."
    )


def test_of_many_policies_the_two_ends_are_named() -> None:
    values = {name: [n * 1000, n * 1000] for n, name in enumerate("abcdef", start=1)}
    asked = study(policies=tuple("cabdef"), seeds=2, variants=("ohlc",))
    answer = answer_sentence(compare(asked, both(values, values, "ohlc")))
    assert answer.startswith("Compared with c, over 2 seeds, a would have liquidated 2,000 USDT")
    assert "; f would have liquidated 3,000 USDT more" in answer
    assert " b " not in answer


def test_one_seed_has_no_interval() -> None:
    values = {"seed": [3000], "esma": [1000]}
    asked = study(seeds=1, variants=("ohlc",))
    answer = answer_sentence(compare(asked, both(values, values, "ohlc")))
    assert "over one seed, esma would have liquidated 2,000 USDT less (no interval)" in answer


def test_without_pairs_there_is_no_answer() -> None:
    answer = answer_sentence(compare(study(variants=("ohlc",)), {}))
    assert answer.startswith("There is nothing to compare yet")


@each(
    ("value", "said"),
    [
        ("0", "0 USDT"),
        ("0.128", "0.13 USDT"),
        ("12.345", "12.3 USDT"),
        ("-999.6", "-1,000 USDT"),
        ("123456.7", "123,000 USDT"),
        ("999999", "1.00 M USDT"),
        ("1270000", "1.27 M USDT"),
        ("-12345678", "-12.3 M USDT"),
        ("7654321000", "7.65 bn USDT"),
    ],
)
def test_amounts_are_said_in_three_digits(value: str, said: str) -> None:
    assert amount(value) == said


@each(
    ("low", "high", "said"),
    [
        ("-2000", "-1000", "1,000 to 2,000 USDT less"),
        ("1000", "2000", "1,000 to 2,000 USDT more"),
        ("-1000", "2000", "1,000 less to 2,000 USDT more"),
        ("-1000", "-1000", "1,000 USDT less"),
        ("0", "1000", "0 to 1,000 USDT more"),
    ],
)
def test_a_change_is_less_or_more(low: str, high: str, said: str) -> None:
    assert change(low, high) == said
