"""The margin arithmetic gives the documented figures, to the last digit."""

from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.leverage import resolve_leverage
from risk.margin import (
    fee,
    initial_share,
    is_in_breach,
    liquidation_price,
    margin_ratio,
    notional,
    required_margin,
    share,
)
from tests.each import each

D = Decimal
sizes = st.decimals("0.00001", "100000", places=5)
prices = st.decimals("0.01", "1000000", places=2)
amounts = st.decimals("0.00000001", "1000000000", places=8)
leverages = st.integers(1, 125)


def test_required_margin_of_the_worked_example() -> None:
    assert required_margin(D("0.1"), D("65000"), 5) == D("1300")


@given(sizes, prices, leverages)
def test_required_margin_is_rounded_up_and_by_less_than_a_unit(
    size: Decimal, price: Decimal, leverage: int
) -> None:
    exact = Fraction(size) * Fraction(price) / leverage
    margin = required_margin(size, price, leverage)
    assert margin.as_tuple().exponent == -8
    assert 0 <= Fraction(margin) - exact < Fraction(UNIT)


@given(sizes, prices)
def test_notional_loses_no_digit(size: Decimal, price: Decimal) -> None:
    assert Fraction(notional(-size, price)) == Fraction(size) * Fraction(price)


@given(amounts, st.decimals("0.00000001", "1", places=8))
def test_a_share_and_the_rest_make_the_whole(amount: Decimal, part: Decimal) -> None:
    taken = share(amount, part, D(1))
    assert taken + (amount - taken) == amount
    assert abs(Fraction(taken) - Fraction(amount) * Fraction(part)) <= Fraction(UNIT) / 2


@given(amounts, amounts)
def test_the_whole_share_is_the_whole_amount(amount: Decimal, whole: Decimal) -> None:
    assert share(amount, whole, whole) == amount


@each(
    ("equity", "margin", "ratio", "breach"),
    [
        ("5000", "6500", "0.76923077", False),
        ("3250", "6500", "0.50000000", False),
        ("3249", "6500", "0.49984615", True),
        ("-500", "650", "-0.76923077", True),
        ("100", "0", None, False),
        ("0", "0", None, False),
        ("-0.00000001", "0", None, True),
    ],
)
def test_ratio_and_breach(equity: str, margin: str, ratio: str | None, breach: bool) -> None:
    assert margin_ratio(D(equity), D(margin)) == (None if ratio is None else D(ratio))
    assert is_in_breach(D(equity), initial_share(D(margin), D("0.5"))) is breach


@given(
    equity=st.decimals("-1000000", "1000000", places=8) | st.just(D(0)),
    margin=amounts | st.just(D(0)),
    threshold=st.decimals("0", "5", places=8),
)
def test_the_breach_is_exact_also_where_no_ratio_is(
    equity: Decimal, margin: Decimal, threshold: Decimal
) -> None:
    exact = Fraction(equity) < Fraction(threshold) * Fraction(margin)
    assert is_in_breach(equity, initial_share(margin, threshold)) is exact
    ratio = margin_ratio(equity, margin)
    assert (ratio is None) is (margin == 0)
    if ratio is not None and abs(ratio - threshold) > UNIT:
        assert exact is (ratio < threshold)


def test_a_tie_goes_to_the_even_digit() -> None:
    assert margin_ratio(D("0.00000001"), D("2")) == D("0.00000000")
    assert margin_ratio(D("0.00000003"), D("2")) == D("0.00000002")
    assert fee(D("0.5"), D("0.01"), D("0.00000100")) == D("0.00000000")


def test_liquidation_price_of_the_worked_example() -> None:
    price = liquidation_price(
        quantity=D(1),
        mark_price=D(60000),
        equity=D(5000),
        required=D(3250),
    )
    assert price == D("58250")


@each(("equity", "price"), [("99.5", "0.5"), ("100", None), ("100.5", None), ("98", "2")])
def test_a_liquidation_price_is_positive(equity: str, price: str | None) -> None:
    found = liquidation_price(
        quantity=D(1),
        mark_price=D(100),
        equity=D(equity),
        required=D(0),
    )
    assert found == (None if price is None else D(price))


@given(
    quantity=sizes,
    short=st.booleans(),
    mark=prices,
    equity=st.decimals("-1000000", "1000000", places=8),
    margin=amounts,
)
def test_liquidation_price_is_where_the_breach_begins(
    quantity: Decimal, short: bool, mark: Decimal, equity: Decimal, margin: Decimal
) -> None:
    signed = -quantity if short else quantity
    price = liquidation_price(
        quantity=signed,
        mark_price=mark,
        equity=equity,
        required=initial_share(margin, D("0.5")),
    )
    if price is None:
        return

    def slack(at: Decimal) -> Fraction:
        moved = Fraction(equity) + Fraction(signed) * (Fraction(at) - Fraction(mark))
        return moved - Fraction(margin) / 2

    worse = -UNIT if signed > 0 else UNIT
    assert slack(price + worse) < 0 <= slack(price - worse)


@each(("asked", "highest", "leverage"), [(None, 10, 10), (3, 10, 3), (10, 10, 10), (11, 10, None)])
def test_leverage_is_as_asked_or_the_tier_maximum(
    asked: int | None, highest: int, leverage: int | None
) -> None:
    assert resolve_leverage(asked, highest) == leverage


def test_rounding_up_means_towards_more_margin() -> None:
    assert required_margin(D("0.00001"), D("0.01"), 3) == (D("0.0000001") / 3).quantize(
        UNIT, ROUND_CEILING
    )
