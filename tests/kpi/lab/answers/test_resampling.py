"""How sure a mean of paired differences is, held to plain definitions."""

from fractions import Fraction
from itertools import product

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from kpi.lab.answers.resampling import EXACT_PAIRS, RESAMPLES, certainty, holm

amounts = st.integers(-(10**17), 10**17)
few = st.lists(amounts, min_size=1, max_size=8)
#: Of few values some are alike.
ps = st.lists(st.integers(0, 1000).map(lambda n: Fraction(n, 1000)), min_size=1, max_size=8)


def resampled_means(values: list[int]) -> list[Fraction]:
    """Draw as the lab does, one number at a time."""
    pairs = len(values)
    bits = iter(np.random.Philox(key=11).random_raw(RESAMPLES * pairs).tolist())
    draws = [[values[(next(bits) >> 32) * pairs >> 32] for _ in values] for _ in range(RESAMPLES)]
    return sorted(Fraction(sum(drawn), pairs) for drawn in draws)


@given(few)
def test_up_to_fourteen_pairs_try_every_way_to_flip_signs(values: list[int]) -> None:
    flipped = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    extreme = [one for one in flipped if one >= abs(sum(values))]
    assert certainty(values).p == Fraction(len(extreme), len(flipped))


def test_an_interval_holds_95_percent_of_the_resampled_means() -> None:
    values = [31, -4, 15, 92, 65, -35, 89, 79, 32, 38]
    means, sure = resampled_means(values), certainty(values)
    assert (sure.low, sure.high) == (means[249], means[9750])
    assert sum(sure.low <= mean <= sure.high for mean in means) >= 0.95 * RESAMPLES


@given(few)
@example([10**30, -(10**30) + 1, 5])
def test_an_interval_lies_within_the_values(values: list[int]) -> None:
    sure = certainty(values)
    slack = Fraction(max(map(abs, values)), 2**50)
    assert min(values) - slack <= sure.low <= sure.high <= max(values) + slack


@given(st.integers(1, 40))
def test_no_difference_is_certain_to_be_none(pairs: int) -> None:
    sure = certainty([0] * pairs)
    assert (sure.low, sure.high, sure.p) == (0, 0, 1)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=8), st.integers(1, 1000))
def test_a_unit_of_another_size_changes_nothing_else(values: list[int], times: int) -> None:
    one, other = certainty(values), certainty([times * value for value in values])
    assert (other.low, other.high, other.p) == (times * one.low, times * one.high, one.p)


def test_a_clear_difference_of_many_pairs_has_the_least_p() -> None:
    values = [1000 + n for n in range(EXACT_PAIRS + 6)]
    assert certainty(values).p == Fraction(1, RESAMPLES + 1)


def test_the_digits_are_those_of_every_machine() -> None:
    sure = certainty([3, 1, 4, 1, -5, 9, -2, 6, 5, 3, 5, 8, -9, 7, 9, 3])
    assert (sure.low, sure.high, sure.p) == (Fraction(1, 2), Fraction(83, 16), Fraction(377, 10001))


@given(ps)
def test_holm_is_the_running_maximum_of_what_is_left(values: list[Fraction]) -> None:
    ranked = sorted(values)
    steps = [(len(ranked) - rank) * p for rank, p in enumerate(ranked)]
    for p, found in zip(values, holm(values), strict=True):
        assert found == min(1, max(steps[: ranked.index(p) + 1]))


@given(ps)
def test_holm_never_lowers_a_p_nor_swaps_two(values: list[Fraction]) -> None:
    adjusted = holm(values)
    assert all(p <= found <= 1 for p, found in zip(values, adjusted, strict=True))
    ranked = sorted(zip(values, adjusted, strict=True))
    assert [found for _, found in ranked] == sorted(adjusted)


def test_one_p_stays_as_it_is() -> None:
    assert holm([Fraction(1, 32)]) == [Fraction(1, 32)]
