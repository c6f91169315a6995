"""Close-outs that reduce positions, which then go on; the books agree with what happened."""

from decimal import Decimal

from django.core.management import call_command

from risk.models import GlobalExposure, LiquidationMode, Position
from risk.services import change_policy
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.models import Trade

D = Decimal
PARTIAL = LiquidationMode.PARTIAL


def test_positions_are_reduced_to_the_target_and_go_on(trader: Trader, marks: Marks) -> None:
    """3,000 of equity on 6,500: at 1.25 × 0.5 of it 4,800 may stay, so that 0.27 closes."""
    change_policy(reason="A test", changes={"liquidation_mode": PARTIAL})
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    resting = order(user, "buy", "0.001", price="50000")
    [done] = marks(BTCUSDT="58000").liquidations
    assert (done.mode, done.equity_before, done.margin_before) == (PARTIAL, D(3000), D(6500))
    assert (done.equity_after, done.margin_after) == (D(3000), D("4799.99"))
    assert (done.insurance_paid, done.bad_debt) == (0, 0)
    [trade] = Trade.objects.filter(liquidation=done)
    assert (trade.side, trade.size, trade.notional) == ("sell", D("0.26154"), D("15169.32"))
    assert trade.realized_pnl == D("-1830.78")
    resting.refresh_from_db()
    assert resting.status == "CANCELED"
    position = Position.objects.get()
    assert (position.status, position.closed_at, position.leverage) == ("OPEN", None, 10)
    assert (position.quantity, position.margin) == (D("0.73846"), D("4799.99"))
    assert (position.cost, position.realized_pnl) == (D("47999.9"), D("-1830.78"))
    assert state_of(user).balance == D("8169.22")
    assert GlobalExposure.objects.get().total == D("0.73846") * 58000
    # It may trade and be closed again, by itself as by a further fall.
    order(user, "sell", "0.23846", reduce_only=True)
    [done] = marks(BTCUSDT="53000").liquidations
    position.refresh_from_db()
    assert (position.status, position.quantity) == ("LIQUIDATED", 0)
    assert position.realized_pnl == sum(t.realized_pnl for t in Trade.objects.all())


def test_what_reducing_does_not_restore_closes_whole(trader: Trader, marks: Marks) -> None:
    """1,000 of equity on 6,500: half of the position would leave 2,031.25 to be held."""
    change_policy(reason="A test", changes={"liquidation_mode": PARTIAL})
    user = trader("10000")
    order(user, "buy", "1", leverage=10)
    [done] = marks(BTCUSDT="56000").liquidations
    [trade] = Trade.objects.filter(liquidation=done)
    assert (trade.size, done.margin_after, done.margin_ratio_after) == (1, 0, None)
    assert Position.objects.get().status == "LIQUIDATED"


def test_several_positions_of_several_accounts_are_reduced_at_once(
    trader: Trader, marks: Marks
) -> None:
    """In one statement for all; the books agree with the history of it."""
    policy = {"close_out_share": D("0.25"), "liquidation_fee_rate": D("0.001")}
    change_policy(reason="A test", changes={"liquidation_mode": PARTIAL, **policy})
    users = [trader("12000", "advanced") for _ in range(3)]
    for user in users:
        order(user, "buy", "1", leverage=10)
        order(user, "buy", "10", "ETHUSDT", leverage=10)
    done = marks(BTCUSDT="58000", ETHUSDT="3160").liquidations
    assert len(done) == 3
    for one in done:
        trades = list(one.trades.order_by("id"))
        assert [trade.instrument.symbol for trade in trades] == ["BTCUSDT", "ETHUSDT"]
        assert one.margin_after > 0
        assert one.equity_after >= D("0.625") * one.margin_after
    assert Position.objects.filter(status="OPEN").count() == 6
    call_command("check_ledger")
