"""Quantiles of a histogram lie where the observations were, as closely as the buckets tell."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpi.requests.quantiles import quantile

BOUNDS = (0.1, 0.5, 1.0, 5.0)


def histogram(observations: list[float]) -> dict[float, float]:
    bounds = (*BOUNDS, math.inf)
    return {bound: sum(seen <= bound for seen in observations) for bound in bounds}


def test_without_observations_the_answer_is_zero() -> None:
    assert quantile(0.5, {}) == 0
    assert quantile(0.5, histogram([])) == 0


def test_a_quantile_is_interpolated_in_its_bucket() -> None:
    buckets = {0.1: 0, 0.5: 8, 1.0: 10, math.inf: 10}
    assert quantile(0.5, buckets) == pytest.approx(0.1 + 0.4 * 5 / 8)
    assert quantile(0.9, buckets) == pytest.approx(0.5 + 0.5 * 1 / 2)
    assert quantile(1.0, buckets) == 1.0


def test_beyond_the_last_bound_the_answer_is_that_bound() -> None:
    assert quantile(0.99, histogram([30.0] * 5)) == 5.0


@given(
    st.lists(st.floats(min_value=0.001, max_value=5.0), min_size=1, max_size=60),
    st.floats(min_value=0.01, max_value=1.0),
)
def test_a_quantile_stays_in_the_bucket_of_the_true_one(seen: list[float], share: float) -> None:
    true = sorted(seen)[math.ceil(share * len(seen)) - 1]
    upper = min(bound for bound in BOUNDS if true <= bound)
    lower = max((bound for bound in BOUNDS if bound < upper), default=0.0)
    assert lower <= quantile(share, histogram(seen)) <= upper + 1e-9


@given(
    st.lists(st.floats(min_value=0, max_value=9), max_size=60),
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=0, max_value=1),
)
def test_quantiles_are_ordered(seen: list[float], one: float, other: float) -> None:
    buckets = histogram(seen)
    low, high = sorted((one, other))
    assert quantile(low, buckets) <= quantile(high, buckets) + 1e-9
