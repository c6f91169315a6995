"""The price collar is exact, the same upwards and downwards, and lets pass what is at its edge."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.collar import is_within_collar
from tests.each import each

D = Decimal
prices = st.decimals("0.00000001", "1000000000", places=8)
collars = st.decimals("0.00000001", "9999", places=8)


@each(
    ("price", "within"),
    [
        ("84500", True),
        ("84500.01", False),
        ("45500", True),
        ("45499.99", False),
        ("0.01", False),
        ("65000", True),
        ("0", False),
        ("-65000", False),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_a_collar_of_thirty_percent_around_65000(price: str, within: bool) -> None:
    assert is_within_collar(price=D(price), mark=D(65000), collar=D("0.3")) is within


@each("price", ["0", "-0.5", "-1", "-65000"])
def test_no_collar_is_so_wide_that_it_takes_what_is_no_price(price: str) -> None:
    assert not is_within_collar(price=D(price), mark=D(65_000), collar=D(3))


@given(price=prices, mark=prices, collar=collars)
def test_the_collar_compares_the_exact_move(price: Decimal, mark: Decimal, collar: Decimal) -> None:
    move = abs(Fraction(price) / Fraction(mark) - 1)
    assert is_within_collar(price=price, mark=mark, collar=collar) is (move <= Fraction(collar))


@given(mark=prices, ticks=st.integers(1, 10**6))
def test_one_unit_beyond_the_edge_is_outside(mark: Decimal, ticks: int) -> None:
    collar = D(ticks) / D(10**6)
    reach = collar * mark
    edge = (mark + reach).quantize(UNIT, "ROUND_FLOOR")
    assert is_within_collar(price=edge, mark=mark, collar=collar)
    assert not is_within_collar(price=edge + UNIT, mark=mark, collar=collar)
