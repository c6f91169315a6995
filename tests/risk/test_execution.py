"""Whether an account can afford a fill is what its figures say once the closing part is booked."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from risk.execution import execute, is_affordable
from risk.fills import Holding, apply_fill
from risk.state import AccountState, OpenPosition

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
