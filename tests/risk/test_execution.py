"""Whether an account can afford a fill is what its figures say once the closing part is booked."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.execution import Execution, execute, is_affordable, reducible_size
from risk.exposure import ExposureChange
from risk.fills import Holding, apply_fill
from risk.state import AccountState, OpenPosition
from tests.each import each

D = Decimal
sizes = st.decimals("0.00001", "10", places=5)
signed = st.tuples(st.sampled_from([1, -1]), sizes).map(lambda pair: pair[0] * pair[1])
prices = st.decimals("1", "1000", places=2)
balances = st.decimals("0", "3000", places=8)
rates = st.sampled_from([D(0), D("0.0002"), D("0.013")])


@given(signed, prices, signed, prices, prices, balances, rates, st.integers(1, 20))
def test_a_fill_is_affordable_if_what_it_opens_has_margin_after_what_it_closes(
    held: Decimal,
    entry: Decimal,
    size: Decimal,
    price: Decimal,
    mark: Decimal,
    balance: Decimal,
    rate: Decimal,
    leverage: int,
) -> None:
    position = OpenPosition(1, 1, "BTCUSDT", Holding(held, held * entry, D(10)), 5, D(0), mark)
    account = AccountState(1, 1, balance, {1: position}, reserved_margin=D(3))
    execution = execute(
        position.holding, size, price=price, leverage=leverage, fee_rate=rate, reduce_only=False
    )
    closing = min(abs(size), abs(held)) if (size > 0) != (held > 0) else D(0)
    closed = apply_fill(position.holding, closing.copy_sign(size), price, leverage)
    after = replace(
        account,
        balance=balance + closed.realized_pnl - execution.fee,
        positions={1: replace(position, holding=closed.holding)} if closed.holding.quantity else {},
    )
    opens = abs(size) > closing
    settled = balance + closed.realized_pnl >= execution.fee
    covered = not opens or after.available_margin >= execution.fill.opened_margin
    assert is_affordable(account, execution, mark) == (settled and covered)


def filled(held: str, size: str, *, reduce_only: bool) -> Execution:
    holding = Holding(D(held), D(held) * 100, D(10))
    return execute(
        holding, D(size), price=D(120), leverage=10, fee_rate=D("0.01"), reduce_only=reduce_only
    )


@each(
    ("held", "size", "reducible"),
    [
        *(("2", "-5", "2"), ("2", "-1", "2"), ("2", "1", "0")),
        *(("0.2", "-0.5", "0.2"), ("-0.2", "0.5", "0.2")),
        *(("-2", "5", "2"), ("-2", "1", "2"), ("-2", "-1", "0"), ("0", "1", "0"), ("0", "-1", "0")),
    ],
)
def test_an_order_reduces_what_stands_against_it(held: str, size: str, reducible: str) -> None:
    assert reducible_size(Holding(D(held)), D(size)) == D(reducible)
    if D(reducible):
        goes = min(abs(D(size)), D(reducible)).copy_sign(D(size))
        assert filled(held, size, reduce_only=True).size == goes
    assert filled(held, size, reduce_only=False).size == D(size)


def test_the_figures_of_an_execution() -> None:
    execution = filled("2", "-3", reduce_only=False)
    assert (execution.size, execution.price, execution.leverage) == (D(-3), D(120), 10)
    assert execution.fee == D("3.6")
    assert (execution.fill.realized_pnl, execution.fill.opened_margin) == (D(40), D(12))
    assert execution.change == ExposureChange(long_quantity=D(-2), short_quantity=D(1))


@each(
    ("side", "mark", "price", "balance"),
    [
        # 3 × 105 ÷ 5 is 63 to open with, and 5 × 105 × 0.01 the fee.
        (1, "110", "105", "65.25"),
        # 3 × 95 ÷ 5 is 57 to open with, and 5 × 95 × 0.01 the fee.
        (-1, "90", "95", "58.75"),
    ],
)
@each("lot", [D(1), D("0.1")])
def test_what_opens_needs_the_margin_that_is_there_after_what_closes(
    side: int, mark: str, price: str, balance: str, lot: Decimal
) -> None:
    """Of 2 held at 100 with a profit of 20, closed at a price that is 10 worse; 3 open.

    The position's margin of 33 comes free, an order's of 7 does not. In smaller lots at higher
    prices it is the same.
    """
    holding = Holding(2 * lot * side, D(200) * side, D(33))
    now, at = D(mark) / lot, D(price) / lot
    position = OpenPosition(1, 1, "BTCUSDT", holding, 10, D(0), now)
    execution = execute(
        holding, -5 * lot * side, price=at, leverage=5, fee_rate=D("0.01"), reduce_only=False
    )
    enough = AccountState(1, 1, D(balance), {1: position}, reserved_margin=D(7))
    assert is_affordable(enough, execution, now)
    assert not is_affordable(replace(enough, balance=D(balance) - UNIT), execution, now)


@pytest.mark.parametrize(("balance", "affordable"), [("41", True), ("40.99999999", False)])
def test_a_loss_and_its_fee_need_a_balance_that_pays_them(balance: str, affordable: bool) -> None:
    """Short 2 at 100, bought back at 120: a loss of 40, and a fee of 1."""
    holding = Holding(D(-2), D(-200), D(20))
    position = OpenPosition(1, 1, "BTCUSDT", holding, 10, D(0), D(120))
    account = AccountState(1, 1, D(balance), {1: position})
    execution = execute(
        holding, D(2), price=D(120), leverage=10, fee_rate=D(1) / 240, reduce_only=False
    )
    assert execution.fee == D(1)
    assert is_affordable(account, execution, D(120)) is affordable
