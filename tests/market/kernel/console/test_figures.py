"""Figures lose no digit on their way to the page."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.console.figures import counted, fixed, gain, grouped, money, stepped, titled

D = Decimal
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
    assert "+" in gain(Decimal(5))
    assert "−5.00" in gain(Decimal(-5))
    assert "+" not in gain(Decimal(0))
    assert grouped(None) == money(None) == "–"


def test_a_column_has_as_many_places_as_its_step() -> None:
    assert [fixed(D(one), 2) for one in ("1300", "-112.23860000", "0.001", "-0.001", "0E-8")] == [
        *("1,300.00", "−112.24", "<0.01", "−<0.01", "0.00")
    ]
    price = stepped(D("64.6666666600"), D("0.0100"))
    assert ">64.67<" in price
    assert 'title="64.66666666"' in price
    assert ">65,000<" in stepped(D("65000.00000000"), D("10"))
    assert ">0.5<" in stepped(D("0.50000000"), None)


def test_names_and_counts_are_written_as_people_say_them() -> None:
    assert titled("realized_pnl") == "Realised P&L"
    assert titled("client_order_id") == "Client order ID"
    assert [counted(n, "order") for n in (0, 1, 2, 1_000)] == [
        *("0 orders", "1 order", "2 orders", "1,000 orders")
    ]
