"""A fill opens, increases, reduces, closes or flips a position without making or losing a unit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from market.kernel.amounts import UNIT
from risk.exposure import ExposureChange, change_of_position
from risk.fills import Holding, apply_fill
from risk.margin import required_margin
from tests.each import each

D = Decimal
fills = st.tuples(
    st.decimals("-50", "50", places=5).filter(bool),
    st.decimals("0.01", "100000", places=2),
    st.integers(1, 20),
)


def test_the_worked_example_of_a_position() -> None:
    first = apply_fill(Holding(), D(2), D(100), 10)
    assert first.holding == Holding(D(2), D(200), D(20))
    second = apply_fill(first.holding, D(1), D(130), 5)
    assert second.holding == Holding(D(3), D(330), D(46))
    third = apply_fill(second.holding, D(-1), D(150), 10)
    assert third.realized_pnl == D(40)
    assert third.holding == Holding(D(2), D(220), D("30.66666667"))
    fourth = apply_fill(third.holding, D(-5), D(140), 10)
    assert fourth.realized_pnl == D(60)
    assert fourth.released_margin == D("30.66666667")
    assert (fourth.closed_size, fourth.opened_size) == (D(2), D(3))
    assert fourth.holding == Holding(D(-3), D(-420), D(42))


@each("held", ["0.00001", "1", "-1", "-2"])
def test_a_fill_against_a_position_closes_it_whatever_its_size(held: str) -> None:
    fill = apply_fill(Holding(D(held), D(held) * 100, D(10)), -2 * D(held), D(100), 10)
    assert fill.closed_size == fill.opened_size == abs(D(held))
    assert (fill.holding.quantity, fill.released_margin) == (-D(held), D(10))


@given(st.lists(fills, min_size=1, max_size=30), st.decimals("0.01", "100000", places=2))
def test_money_is_conserved_over_any_history(
    history: list[tuple[Decimal, Decimal, int]], mark: Decimal
) -> None:
    holding, realized, cash_flow = Holding(), D(0), D(0)
    for size, price, leverage in history:
        fill = apply_fill(holding, size, price, leverage)
        holding, realized = fill.holding, realized + fill.realized_pnl
        cash_flow -= size * price
    unrealized = holding.quantity * mark - holding.cost
    assert realized + unrealized == cash_flow + holding.quantity * mark
    assert holding.quantity == sum(size for size, _, _ in history)


@given(st.lists(fills, min_size=1, max_size=30))
def test_margin_follows_what_opens_and_closes(history: list[tuple[Decimal, Decimal, int]]) -> None:
    holding = Holding()
    for size, price, leverage in history:
        fill = apply_fill(holding, size, price, leverage)
        assert fill.opened_margin == required_margin(fill.opened_size, price, leverage)
        assert fill.holding.margin == holding.margin - fill.released_margin + fill.opened_margin
        assert fill.holding.margin >= 0
        assert fill.closed_size + fill.opened_size == abs(size)
        if fill.closed_size == abs(holding.quantity):
            assert fill.released_margin == holding.margin
        holding = fill.holding
        if holding.quantity == 0:
            assert holding == Holding(D(0), D(0), D(0))


@given(fills)
def test_closing_in_two_parts_realises_the_same_as_at_once(
    opening: tuple[Decimal, Decimal, int],
) -> None:
    size, price, leverage = opening
    held = apply_fill(Holding(), size, price, leverage).holding
    part = (size / 3).quantize(D("0.00001"))
    at_once = apply_fill(held, -size, D(500), leverage)
    first = apply_fill(held, -part, D(500), leverage) if part else None
    rest = first.holding if first else held
    second = apply_fill(rest, -(size - part), D(500), leverage)
    in_parts = (first.realized_pnl if first else 0) + second.realized_pnl
    assert in_parts == at_once.realized_pnl
    assert second.holding.quantity == 0
    assert second.holding.margin == 0


@given(
    st.decimals("-10", "10", places=5),
    st.decimals("-10", "10", places=5),
    st.decimals("0.01", "1000", places=2),
)
def test_open_interest_changes_by_what_each_side_holds(
    before: Decimal, after: Decimal, mark: Decimal
) -> None:
    change = change_of_position(before, after)
    assert change.valued_at(mark) == (abs(after) - abs(before)) * mark
    assert change.long_quantity - change.short_quantity == after - before
    assert change + ExposureChange(order_notional=UNIT) == ExposureChange(
        change.long_quantity, change.short_quantity, UNIT
    )
