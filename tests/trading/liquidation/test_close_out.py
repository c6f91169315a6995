"""Close-outs of accounts with several positions, open orders, fees and a fund that runs dry."""

from decimal import Decimal

import pytest

from accounts.models import Transfer, TransferKind
from accounts.selectors import insurance_fund_balance, total_bad_debt
from accounts.services import fund_insurance
from risk.models import GlobalExposure, LiquidationMode, Position, Reservation
from risk.services import change_policy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.models import Liquidation, Order, OrderStatus, Trade

D = Decimal
FULL, LARGEST_LOSS_FIRST, PARTIAL = LiquidationMode
both_modes = pytest.mark.parametrize("mode", LiquidationMode.values)


@both_modes
@each(("side", "gap"), [("buy", "50000"), ("sell", "80000")])
@each(
    ("fund", "paid", "bad_debt"),
    [("0", "0", "500"), ("120.00000001", "120.00000001", "379.99999999"), ("500", "500", "0")],
)
def test_a_gap_leaves_a_deficit(
    trader: Trader,
    marks: Marks,
    mode: str,
    side: str,
    gap: str,
    fund: str,
    paid: str,
    bad_debt: str,
) -> None:
    """Balance 1,000, a position of 6,500 at 10x, a gap of 15,000: equity −500."""
    change_policy(reason="A test", changes={"liquidation_mode": mode})
    if D(fund):
        fund_insurance(amount=D(fund), reason="Test")
    user = trader("1000")
    order(user, side, "0.1", leverage=10)
    [done] = marks(BTCUSDT=gap).liquidations
    assert (done.equity_before, done.margin_before) == (D(-500), D(650))
    assert done.margin_ratio_before == D("-0.76923077")
    assert (done.insurance_paid, done.bad_debt) == (D(paid), D(bad_debt))
    assert (done.equity_after, done.margin_after, done.margin_ratio_after) == (0, 0, None)
    assert (insurance_fund_balance(), total_bad_debt()) == (D(fund) - D(paid), D(bad_debt))
    assert state_of(user).balance == 0


@both_modes
def test_open_orders_give_back_what_they_reserve(trader: Trader, marks: Marks, mode: str) -> None:
    """Whatever remains of the positions, every open order ends and frees its reservation."""
    change_policy(reason="A test", changes={"liquidation_mode": mode})
    user, other = trader("10000"), trader("10000")
    order(user, "buy", "0.9")
    order(user, "sell", "1", "ETHUSDT")
    resting = [
        order(user, "buy", "0.1", "ETHUSDT", price="3000"),
        order(user, "sell", "0.1", "ETHUSDT", price="4000"),
        order(user, "sell", "0.5", price="70000", reduce_only=True),
    ]
    kept = order(other, "buy", "0.1", "ETHUSDT", price="3000")
    [done] = marks(BTCUSDT="57100").liquidations
    assert done.equity_before == D(2890)
    canceled = Order.objects.filter(status=OrderStatus.CANCELED).order_by("id")
    assert list(canceled.values_list("id", flat=True)) == [placed.pk for placed in resting]
    reserved = Reservation.objects.get(account=user.account)
    assert (reserved.reserved_margin, reserved.reserved_notional) == (0, 0)
    kept.refresh_from_db()
    assert (kept.status, kept.reserved_notional) == ("NEW", D(300))
    left = {FULL: D(0), LARGEST_LOSS_FIRST: D(3200), PARTIAL: D("41008.765")}[LiquidationMode(mode)]
    assert GlobalExposure.objects.get().total == left + 300


def test_the_largest_losses_are_closed_until_the_ratio_is_back(
    trader: Trader, marks: Marks
) -> None:
    """Of a short and two longs the two largest losses go; the order is that of the losses."""
    change_policy(reason="A test", changes={"liquidation_mode": LARGEST_LOSS_FIRST})
    user = trader("10000", "advanced")
    order(user, "sell", "10", "ETHUSDT", leverage=10)
    order(user, "buy", "0.5", leverage=10)
    # Margin 3,200 + 3,250; losses 5,000 and 3,000: equity 2,000, and 5,000 of margin 3,250 after.
    [done] = marks(BTCUSDT="59000", ETHUSDT="3700").liquidations
    assert (done.equity_before, done.margin_before) == (D(2000), D(6450))
    assert (done.equity_after, done.margin_after) == (D(2000), D(3250))
    assert done.margin_ratio_after == D("0.61538462")
    [trade] = Trade.objects.filter(liquidation=done)
    assert (trade.side, trade.instrument.symbol, trade.realized_pnl) == ("buy", "ETHUSDT", D(-5000))
    [left] = state_of(user).positions.values()
    assert (left.symbol, left.holding.margin, left.unrealized_pnl) == (
        "BTCUSDT",
        D(3250),
        D(-3000),
    )
    # The next close-out takes the other position too: nothing is left to restore the ratio with.
    [done] = marks(BTCUSDT="57000").liquidations
    assert (done.equity_before, done.margin_ratio_before) == (D(1000), D("0.30769231"))
    assert (done.equity_after, done.margin_ratio_after) == (D(1000), None)


def test_a_balance_of_nothing_has_paid_the_losses(trader: Trader, marks: Marks) -> None:
    """The long loses the whole balance; the profit of 1,200 beside it is margin enough."""
    change_policy(reason="A test", changes={"liquidation_mode": LARGEST_LOSS_FIRST})
    user = trader("5000", "advanced")
    order(user, "buy", "0.5", leverage=20)
    order(user, "buy", "10", "ETHUSDT", leverage=20)
    [done] = marks(BTCUSDT="55000", ETHUSDT="3320").liquidations
    assert (done.equity_before, done.margin_ratio_after) == (D(1200), D("0.75"))
    assert [left.symbol for left in state_of(user).positions.values()] == ["ETHUSDT"]
    assert state_of(user).balance == 0


def test_what_a_close_out_leaves_is_the_accounts(trader: Trader, marks: Marks) -> None:
    user = trader("1000")
    order(user, "buy", "0.1", leverage=10)
    [done] = marks(BTCUSDT="55005").liquidations
    assert (done.insurance_paid, done.bad_debt, done.equity_after) == (0, 0, D("0.5"))
    assert (state_of(user).balance, insurance_fund_balance()) == (D("0.5"), 0)
    closing = Order.objects.latest("id")
    assert (closing.liquidation, closing.reduce_only, closing.side) == (True, True, "sell")


def test_equal_losses_are_closed_by_symbol(trader: Trader, marks: Marks) -> None:
    user = trader("10000", "advanced")
    order(user, "buy", "10", "ETHUSDT")
    order(user, "buy", "1")
    marks(BTCUSDT="60000", ETHUSDT="2700")
    trades = Trade.objects.filter(liquidation__isnull=False).order_by("id")
    assert [(t.instrument.symbol, t.realized_pnl) for t in trades] == [
        ("BTCUSDT", D(-5000)),
        ("ETHUSDT", D(-5000)),
    ]
    assert state_of(user).balance == 0


@both_modes
def test_an_account_pays_its_losses_from_its_profits(
    trader: Trader, marks: Marks, insurance: Decimal, mode: str
) -> None:
    """A loss of 14,000 against a balance of 10,000; the short's profit of 6,000 pays the rest."""
    change_policy(reason="A test", changes={"liquidation_mode": mode})
    user = trader("10000", "advanced")
    order(user, "buy", "2")
    order(user, "sell", "20", "ETHUSDT")
    [done] = marks(BTCUSDT="58000", ETHUSDT="2900").liquidations
    assert (done.equity_before, done.equity_after) == (D(2000), D(2000))
    assert (done.insurance_paid, done.bad_debt) == (0, 0)
    assert insurance_fund_balance() == insurance
    assert Position.objects.filter(status="LIQUIDATED").count() == 2
    assert (state_of(user).balance, state_of(user).positions) == (D(2000), {})


def test_the_fee_of_a_close_out_is_in_the_fund_that_covers_it(trader: Trader, marks: Marks) -> None:
    """Closing BTC leaves 4,000, of which 590 are the fee; closing ETH then lacks 1,590."""
    change_policy(reason="A test", changes={"liquidation_fee_rate": D("0.01")})
    user = trader("10000", "advanced")
    order(user, "buy", "1")
    order(user, "buy", "10", "ETHUSDT")
    [done] = marks(BTCUSDT="59000", ETHUSDT="2700").liquidations
    fees = Transfer.objects.filter(kind=TransferKind.LIQUIDATION_FEE)
    assert [fee.amount for fee in fees] == [D(590)]
    assert (done.insurance_paid, done.bad_debt) == (D(590), D(1000))
    assert (insurance_fund_balance(), total_bad_debt()) == (0, D(1000))
    assert state_of(user).balance == 0


def test_a_fee_is_taken_as_far_as_the_balance_reaches(trader: Trader, marks: Marks) -> None:
    """The profit that is closed last pays the fee of its own close-out, and not a deficit."""
    change_policy(reason="A test", changes={"liquidation_fee_rate": D("0.01")})
    user = trader("10000", "advanced")
    order(user, "buy", "2")
    order(user, "sell", "20", "ETHUSDT")
    [done] = marks(BTCUSDT="58000", ETHUSDT="2900").liquidations
    fees = Transfer.objects.filter(kind=TransferKind.LIQUIDATION_FEE)
    assert [fee.amount for fee in fees] == [D(580)]
    assert (done.equity_after, done.insurance_paid) == (D(1420), 0)
    assert insurance_fund_balance() == 580


def test_one_step_closes_out_whom_it_must_and_no_other(trader: Trader, marks: Marks) -> None:
    """Longs fall, shorts rise, and an account exactly at the threshold stays."""
    falls, stays, gains = trader("9999.99999999"), trader("10000"), trader("10000")
    order(falls, "buy", "1")
    order(stays, "buy", "1")
    order(gains, "sell", "1")
    [done] = marks(BTCUSDT="58250").liquidations
    assert (done.account, done.margin_ratio_before) == (falls.account, D("0.5"))
    assert state_of(stays).margin_ratio == D("0.5")
    assert state_of(gains).unrealized_pnl == D(6750)
    assert Liquidation.objects.count() == 1
