"""Accounts below the threshold are closed out; the fund pays what balances cannot."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError
from rest_framework.test import APIClient

from accounts.models import SystemMovement, Transfer, TransferKind, User
from accounts.selectors import insurance_fund_balance, total_bad_debt
from accounts.services import withdraw
from market.services import list_instrument
from risk.bounds import users_in_breach
from risk.maintenance import Requirement
from risk.models import LiquidationMode, Position, RiskPolicy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.liquidation.sweep import sweep_liquidations
from trading.models import Liquidation, Order, OrderStatus, Trade
from trading.steps.reporting import describe_liquidation

D = Decimal


def test_the_worked_example_at_the_threshold_and_below(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    marks(BTCUSDT="60000")
    assert state_of(user).margin_ratio == D("0.76923077")
    marks(BTCUSDT="58250")
    assert state_of(user).margin_ratio == D("0.5")
    assert not Liquidation.objects.exists()

    [done] = marks(BTCUSDT="58249").liquidations
    assert done.margin_ratio_before == D("0.49984615")
    assert (done.equity_before, done.margin_before) == (D("3249"), D("6500"))
    assert done.margin_ratio_after is None
    assert (done.insurance_paid, done.bad_debt) == (0, 0)
    state = state_of(user)
    assert (state.balance, state.positions) == (D("3249"), {})
    assert Position.objects.get().status == "LIQUIDATED"
    trade = Trade.objects.get(liquidation=done)
    assert (trade.price, trade.realized_pnl, trade.order.liquidation) == (
        D("58249"),
        D("-6751"),
        True,
    )


def test_the_insurance_fund_lifts_a_negative_balance_to_zero(
    trader: Trader, marks: Marks, insurance: Decimal
) -> None:
    user = trader("1000")
    order(user, "buy", "0.1", leverage=10)
    [done] = marks(BTCUSDT="50000").liquidations
    assert done.equity_before == D("-500")
    assert (done.insurance_paid, done.bad_debt) == (D("500"), 0)
    assert state_of(user).balance == 0
    assert insurance_fund_balance() == insurance - 500


def test_a_sweep_leaves_the_fund_without_a_tail(
    trader: Trader, marks: Marks, insurance: Decimal
) -> None:
    order(trader("1000"), "buy", "0.1", leverage=10)
    assert marks(BTCUSDT="50000").liquidations
    assert not SystemMovement.objects.exists()


def test_what_the_fund_cannot_pay_is_bad_debt(trader: Trader, marks: Marks) -> None:
    from accounts.services import fund_insurance

    fund_insurance(amount=D(120), reason="Test")
    users = [trader("1000"), trader("1000")]
    for user in users:
        order(user, "buy", "0.1", leverage=10)
    first, second = marks(BTCUSDT="50000").liquidations
    assert (first.insurance_paid, first.bad_debt) == (D(120), D(380))
    assert (second.insurance_paid, second.bad_debt) == (D(0), D(500))
    assert insurance_fund_balance() == 0
    assert total_bad_debt() == D(880)
    assert [state_of(user).balance for user in users] == [0, 0]


def test_open_orders_are_cancelled_first(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    order(user, "buy", "1")
    resting = order(user, "buy", "5", "ETHUSDT", price="3000")
    reducing = order(user, "sell", "1", price="70000", reduce_only=True)
    marks(BTCUSDT="58000")
    statuses = Order.objects.filter(pk__in=[resting.pk, reducing.pk]).values_list("status")
    assert {status for (status,) in statuses} == {OrderStatus.CANCELED}
    assert state_of(user).margin_used == 0


def test_full_mode_closes_every_position(trader: Trader, marks: Marks) -> None:
    user = trader("10000", "advanced")
    order(user, "buy", "1")
    order(user, "sell", "10", "ETHUSDT")
    [done] = marks(BTCUSDT="56000", ETHUSDT="3200").liquidations
    assert done.trades.count() == 2
    assert state_of(user).positions == {}


def test_largest_loss_first_stops_when_the_ratio_is_back(trader: Trader, marks: Marks) -> None:
    RiskPolicy.objects.update(liquidation_mode=LiquidationMode.LARGEST_LOSS_FIRST)
    user = trader("10000", "intermediate")
    order(user, "buy", "0.9")
    order(user, "buy", "10", "ETHUSDT")
    [done] = marks(BTCUSDT="59500", ETHUSDT="3100").liquidations
    # Equity 10,000 − 4,950 − 1,000 = 4,050 of margin 5,850 + 3,200: ratio 0.44751381.
    assert (done.equity_before, done.margin_ratio_before) == (D(4050), D("0.44751381"))
    assert done.margin_ratio_after == D("1.265625")
    [left] = state_of(user).positions.values()
    assert left.symbol == "ETHUSDT"
    assert state_of(user).balance == D(5050)


def test_profits_pay_before_the_fund_does(trader: Trader, marks: Marks, insurance: Decimal) -> None:
    """Closing only the loser would lift the ratio but leave a debt that a profit can pay."""
    RiskPolicy.objects.update(liquidation_mode=LiquidationMode.LARGEST_LOSS_FIRST)
    user = trader("10000", "advanced")
    order(user, "buy", "2")
    order(user, "buy", "20", "ETHUSDT")
    [done] = marks(BTCUSDT="58000", ETHUSDT="3500").liquidations
    assert done.equity_before == D(2000)
    assert done.insurance_paid == 0
    assert insurance_fund_balance() == insurance
    assert state_of(user).balance == D(2000)


def test_the_liquidation_fee_goes_to_the_fund_as_far_as_the_balance_reaches(
    trader: Trader, marks: Marks
) -> None:
    RiskPolicy.objects.update(liquidation_fee_rate=D("0.01"))
    user, poor = trader("10000"), trader("6500")
    order(user, "buy", "1")
    order(poor, "buy", "1")
    marks(BTCUSDT="58249")
    paid = Transfer.objects.filter(kind=TransferKind.LIQUIDATION_FEE)
    assert paid.get(debit_account=user.account).amount == D("582.49")
    assert state_of(user).balance == D("3249") - D("582.49")
    assert state_of(poor).balance == 0


def test_a_sweep_finds_what_a_withdrawal_brought_below(trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "1")
    withdraw(account=user.account, amount=D("6751"))
    [done] = sweep_liquidations().liquidations
    assert done.margin_ratio_before == D("0.49984615")
    assert sweep_liquidations().liquidations == []


def test_accounts_are_closed_out_in_one_transaction(trader: Trader) -> None:
    for user in [trader("10000") for _ in range(3)]:
        order(user, "buy", "1")
    RiskPolicy.objects.update(liquidation_threshold=2)
    assert len(sweep_liquidations().liquidations) == 3
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT xmin::text FROM trading_liquidation")
        assert cursor.rowcount == 1


def test_a_short_is_liquidated_when_the_price_rises(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    order(user, "sell", "1")
    [line] = state_of(user).positions.values()
    price = state_of(user).liquidation_price(line, Requirement(D("0.5")))
    assert price == D("71750")
    marks(BTCUSDT="71750")
    assert not Liquidation.objects.exists()
    marks(BTCUSDT="71750.01")
    assert Liquidation.objects.count() == 1


@each("table", ["trading_trade", "trading_liquidation", "accounts_transfer"])
def test_history_cannot_be_changed(trader: Trader, marks: Marks, table: str) -> None:
    user = trader("10000")
    order(user, "buy", "1")
    marks(BTCUSDT="58000")
    for statement in (f"UPDATE {table} SET created_at = now()", f"DELETE FROM {table}"):  # noqa: S608
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


@pytest.fixture
def dust(trader: Trader, marks: Marks) -> User:
    """A short position of which rounding has left no margin, and a balance of nothing."""
    list_instrument(
        reason="A test",
        symbol="DUSTUSDT",
        base_asset="DUST",
        tick_size=D("0.01"),
        lot_size=D("0.000001"),
    )
    marks(DUSTUSDT="0.01")
    user = trader("10")
    order(user, "sell", "0.000003", "DUSTUSDT", leverage=10)
    order(user, "buy", "0.000002", "DUSTUSDT", leverage=10)
    withdraw(account=user.account, amount=D(10))
    state = state_of(user)
    assert (state.balance, state.equity, state.position_margin) == (0, 0, 0)
    [position] = state.positions.values()
    assert position.holding.quantity == D("-0.000001")
    return user


def test_dust_without_margin_is_closed_out_when_it_owes(
    dust: User, marks: Marks, insurance: Decimal
) -> None:
    """What the sweep finds it closes: a position whose margin was rounded away is one."""
    assert not sweep_liquidations().liquidations
    [done] = marks(DUSTUSDT="1").liquidations
    assert (done.margin_ratio_before, done.margin_before) == (None, 0)
    assert done.equity_before == D("-0.00000099")
    assert (done.insurance_paid, done.bad_debt) == (D("0.00000099"), 0)
    assert insurance_fund_balance() == insurance - D("0.00000099")
    assert (state_of(dust).balance, state_of(dust).positions) == (0, {})
    assert users_in_breach() == []


def test_a_close_out_of_dust_is_shown_without_a_ratio(
    dust: User, marks: Marks, client_of: Callable[[User], APIClient]
) -> None:
    [done] = marks(DUSTUSDT="1").liquidations
    assert "ratio none" in describe_liquidation(done)
    [shown] = client_of(dust).get("/liquidations").json()["results"]
    assert (shown["margin_ratio_before"], shown["bad_debt"]) == (None, "0.00000099")
