"""Whole numbers of the smallest unit have the digits of the Decimals, up to the largest amount."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import EXACT, round_half_even, round_up
from risk import margin
from risk.arrays.units import (
    HIGHEST_RATE,
    LARGEST,
    UNITS,
    OutOfRange,
    amount,
    ceil_div,
    ceil_times_rate,
    exact_units,
    rate_units,
    share,
    times_rate,
    total,
    units,
)
from tests.each import each

D = Decimal
#: Amounts of every size, those around a half and around the largest among them.
amounts = st.one_of(
    st.integers(-LARGEST, LARGEST),
    st.integers(-10, 10),
    st.integers(LARGEST - 10, LARGEST),
    st.integers(-9, 9).map(lambda n: n * UNITS // 2),
)
rates = st.one_of(st.integers(0, HIGHEST_RATE), st.sampled_from([0, 1, UNITS // 2, HIGHEST_RATE]))


@given(amounts)
def test_an_amount_goes_there_and_back(whole: int) -> None:
    assert units(amount(whole)) == whole
    assert amount(np.int64(whole)) == D(whole) / UNITS


@each("value", ["0.000000001", "-0.000000001", "0.000000009", "NaN", "Infinity", "1.234567891"])
def test_a_number_that_is_no_amount_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="eight decimal places") as refusal:
        units(D(value))
    assert not isinstance(refusal.value, OutOfRange)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_amount_belongs_to_the_range_and_a_unit_more_does_not(sign: int) -> None:
    assert units(D(9_000_000_000) * sign) == LARGEST * sign
    with pytest.raises(OutOfRange, match=r"is above 9,000,000,000, the largest amount\.$"):
        units(D("9000000000.00000001") * sign)
    assert exact_units(D("9000000000.00000001") * sign) == (LARGEST + 1) * sign


def test_a_rate_lies_between_zero_and_the_highest() -> None:
    assert (rate_units(D("0.5")), rate_units(D(0)), rate_units(D(5))) == (UNITS // 2, 0, 5 * UNITS)
    for beyond in ("-0.00000001", "5.00000001"):
        with pytest.raises(OutOfRange, match=r"no rate from 0 to 5\.$"):
            rate_units(D(beyond))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_of_more_digits_than_any_column_has_is_not_computed(sign: int) -> None:
    assert exact_units(sign * D(10) ** 30) == sign * 10**38
    for beyond in (D(10) ** 31, D("1e999999")):
        with pytest.raises(OutOfRange, match="too large to be an amount"):
            exact_units(sign * beyond)


def test_a_total_may_be_more_than_64_bits_hold() -> None:
    assert total(np.array([], np.int64)) == 0
    many = [LARGEST, -7, LARGEST - 1, 2**32, -(2**32) - 5, 3] * 1_000
    assert total(np.array(many)) == sum(many) > 2**64
    assert total(-np.array(many)) == -sum(many)


@given(st.lists(amounts, min_size=1, max_size=20), rates)
def test_products_with_a_rate_are_those_of_the_decimals(wholes: list[int], rate: int) -> None:
    exact = [EXACT.multiply(amount(one), amount(rate)) for one in wholes]
    halves, ups = (
        [exact_units(round_half_even(x)) for x in exact],
        [exact_units(round_up(x)) for x in exact],
    )
    array = np.array(wholes)
    assert times_rate(array, rate).tolist() == halves
    assert times_rate(array, np.full(len(wholes), rate)).tolist() == halves
    assert [times_rate(one, rate) for one in wholes] == halves
    assert ceil_times_rate(array, rate).tolist() == ups
    assert [ceil_times_rate(one, rate) for one in wholes] == ups


@given(st.lists(st.tuples(amounts.map(abs), rates), min_size=1, max_size=20))
def test_a_fee_is_that_of_the_exchange(cases: list[tuple[int, int]]) -> None:
    notional, rate = np.array(cases).T
    expected = [margin.fee(D(1), amount(one), amount(each)) for one, each in cases]
    assert [amount(one) for one in times_rate(notional, rate)] == expected


@given(st.lists(st.tuples(amounts.map(abs), st.integers(1, 2**31)), min_size=1, max_size=20))
def test_required_margin_is_that_of_the_exchange(cases: list[tuple[int, int]]) -> None:
    notional, leverage = np.array(cases).T
    expected = [margin.required_margin(D(1), amount(one), each) for one, each in cases]
    assert [amount(one) for one in ceil_div(notional, leverage)] == expected


@given(amounts, st.data())
def test_a_share_is_that_of_the_exchange(whole_amount: int, data: st.DataObject) -> None:
    whole = data.draw(st.integers(1, 10**17))
    part = data.draw(st.one_of(st.integers(0, whole), st.just(whole // 2), st.just(whole)))
    expected = margin.share(amount(whole_amount), D(part), D(whole))
    assert amount(share(whole_amount, part, whole)) == expected
    assert share(whole_amount, whole, whole) == whole_amount
