"""Figures lose no digit on their way to the page."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.console.figures import grouped, money, signed

AMOUNTS = st.decimals("-1e20", "1e20", places=8)


def read(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))


@given(AMOUNTS)
def test_nothing_is_lost(value: Decimal) -> None:
    assert read(grouped(value)) == value == read(money(value))


@pytest.mark.parametrize(
    ("value", "plainly", "as_money"),
    [
        ("1300.00000000", "1,300", "1,300.00"),
        ("-12.50000000", "−12.5", "−12.50"),
        ("0E-8", "0", "0.00"),
        ("-0.00000000", "0", "0.00"),
        ("0.00001000", "0.00001", "0.00001"),
        ("100000000", "100,000,000", "100,000,000.00"),
    ],
)
def test_how_figures_are_written(value: str, plainly: str, as_money: str) -> None:
    assert (grouped(Decimal(value)), money(Decimal(value))) == (plainly, as_money)


def test_gains_and_losses_carry_their_sign() -> None:
    assert "+" in signed(Decimal(5))
    assert "−5.00" in signed(Decimal(-5))
    assert "+" not in signed(Decimal(0))
    assert grouped(None) == money(None) == "–"
