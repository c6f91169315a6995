"""Limit orders reserve while they rest and fill when a market step reaches them."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.services import suspend_account, withdraw
from market.kernel.states import TradingState
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.services import halt_instrument, resume_instrument
from risk.engine import Intent
from risk.models import GlobalExposure, RiskPolicy
from risk.services import set_trading_state
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.errors import OrderNotOpen
from trading.models import Order, OrderStatus, Trade
from trading.orders.resting import CHUNK
from trading.orders.tickets import Ticket
from trading.services import cancel_order, place_orders
from trading.steps.step import apply_marks

D = Decimal


def reach(placed: Order, price: str) -> None:
    """Do the first part of a market step, as one that died after it."""
    assert placed.instrument_id is not None
    quote = Quote(D(price), PriceOrigin.SIMULATION)
    apply_marks(quotes={placed.instrument_id: quote}, now=timezone.now())


def test_a_resting_order_reserves_margin_and_notional(trader: Trader) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.5", price="60000", leverage=10)
    assert placed.status == OrderStatus.NEW
    assert placed.required_margin == D("3000")
    state = state_of(user)
    assert (state.margin_used, state.available_margin) == (D("3000"), D("7000"))
    assert state.exposure == GlobalExposure.objects.get().total == D("30000")
    assert state.margin_ratio is None


def test_it_reserves_its_whole_size_against_a_position(trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "0.5")
    order(user, "sell", "0.5", price="70000", leverage=10)
    assert state_of(user).margin_used == D("3250") + D("3500")


def test_a_tick_that_reaches_the_price_fills_at_the_limit(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.5", price="60000", leverage=8)
    marks(BTCUSDT="60000.01")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.NEW
    marks(BTCUSDT="59000")
    filled = Order.objects.get(pk=placed.pk)
    assert (filled.status, filled.average_price) == (OrderStatus.FILLED, D("60000"))
    assert filled.reserved_margin == filled.reserved_notional == 0
    state = state_of(user)
    assert state.reserved_margin == 0
    assert state.position_margin == D("3750")
    assert state.unrealized_pnl == D("-500")


def test_a_crossing_limit_order_fills_at_the_mark(trader: Trader) -> None:
    user = trader()
    assert order(user, "buy", "0.1", price="65000").average_price == D("65000")
    assert order(user, "buy", "0.1", price="66000").average_price == D("65000")
    assert order(user, "sell", "0.1", price="64000").average_price == D("65000")


def test_orders_reached_by_one_step_fill_in_the_order_of_acceptance(
    trader: Trader, marks: Marks
) -> None:
    user = trader("20000")
    ids = [
        order(user, side, size, price=price).pk
        for side, size, price in (
            ("buy", "0.1", "61000"),
            ("buy", "0.2", "63000"),
            ("buy", "0.3", "62000"),
        )
    ]
    marks(BTCUSDT="60000")
    assert list(Trade.objects.order_by("id").values_list("order_id", flat=True)) == ids


def test_an_account_with_many_orders_keeps_no_other_waiting(trader: Trader, marks: Marks) -> None:
    """All fill in one step; those beyond a chunk after the orders of everybody else."""
    many, one = trader("10000"), trader("10000")
    resting = Ticket(Intent("BTCUSDT", is_buy=True, size=D("0.001"), price=D("60000")))
    place_orders(user_id=many.pk, tickets=[resting] * (CHUNK + 10))
    order(one, "buy", "0.1", price="60000")
    assert len(marks(BTCUSDT="60000").ended_orders) == CHUNK + 11
    filled = list(Trade.objects.order_by("id").values_list("account_id", flat=True))
    assert filled == [many.account.pk] * CHUNK + [one.account.pk] + [many.account.pk] * 10


def test_a_reduce_only_order_rests_without_a_reservation_and_never_opens(
    trader: Trader, marks: Marks
) -> None:
    user = trader("10000")
    order(user, "buy", "0.5")
    placed = order(user, "sell", "2", price="70000", reduce_only=True)
    assert placed.required_margin == 0
    assert state_of(user).reserved_margin == 0
    marks(BTCUSDT="70500")
    filled = Order.objects.get(pk=placed.pk)
    assert (filled.status, filled.filled_size) == (OrderStatus.FILLED, D("0.5"))
    assert state_of(user).positions == {}
    assert state_of(user).balance == D("12500")


def test_a_reduce_only_order_with_nothing_left_to_reduce_expires(
    trader: Trader, marks: Marks
) -> None:
    user = trader("10000")
    order(user, "buy", "0.5")
    placed = order(user, "sell", "0.5", price="70000", reduce_only=True)
    order(user, "sell", "0.5")
    marks(BTCUSDT="70500")
    ended = Order.objects.get(pk=placed.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "reduce_only_rejected")
    assert state_of(user).positions == {}


def test_a_fill_that_the_balance_cannot_settle_expires(trader: Trader, marks: Marks) -> None:
    user = trader("10000", "advanced")
    order(user, "buy", "1")
    order(user, "buy", "20", "ETHUSDT")
    marks(BTCUSDT="53000", ETHUSDT="4200")
    placed = order(user, "sell", "1", price="54000", leverage=20)
    marks(BTCUSDT="54000")
    ended = Order.objects.get(pk=placed.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "insufficient_margin")
    assert state_of(user).reserved_margin == 0


def test_a_fill_without_margin_expires_instead_of_closing_out_a_healthy_account(
    trader: Trader, marks: Marks
) -> None:
    user = trader("10000")
    placed = order(user, "buy", "1", price="60000")
    order(user, "buy", "1", "ETHUSDT")
    withdraw(account=user.account, amount=D("8500"))
    assert marks(BTCUSDT="59000").liquidations == []
    ended = Order.objects.get(pk=placed.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "insufficient_margin")
    assert (ended.filled_size, state_of(user).reserved_margin) == (0, 0)
    assert [held.symbol for held in state_of(user).positions.values()] == ["ETHUSDT"]


@pytest.mark.parametrize(("missing", "status"), [("0", "FILLED"), ("0.00000001", "EXPIRED")])
def test_a_fill_needs_margin_for_what_it_opens(
    trader: Trader, marks: Marks, missing: str, status: str
) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.5", price="60000")
    withdraw(account=user.account, amount=D("7000") + D(missing))
    marks(BTCUSDT="59000")
    assert Order.objects.get(pk=placed.pk).status == status


@pytest.mark.parametrize(("missing", "status"), [("0", "FILLED"), ("0.00000001", "EXPIRED")])
def test_what_a_fill_closes_is_booked_before_it_opens(
    trader: Trader, marks: Marks, missing: str, status: str
) -> None:
    """The short is bought back at the limit, 500 worse than at the mark, which leaves 3,000."""
    user = trader("10000")
    order(user, "sell", "0.5")
    placed = order(user, "buy", "1", price="60000")
    withdraw(account=user.account, amount=D("9500") + D(missing))
    marks(BTCUSDT="59000")
    assert Order.objects.get(pk=placed.pk).status == status


def test_a_suspended_account_opens_nothing(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000")
    suspend_account(reason="A test", account=user.account)
    marks(BTCUSDT="59000")
    ended = Order.objects.get(pk=placed.pk)
    assert (ended.status, ended.reject_code) == (OrderStatus.EXPIRED, "account_suspended")
    assert (state_of(user).positions, state_of(user).reserved_margin) == ({}, 0)


def test_a_suspended_account_still_reduces(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    order(user, "buy", "0.3")
    placed = order(user, "sell", "0.5", price="70000")
    suspend_account(reason="A test", account=user.account)
    marks(BTCUSDT="71000")
    filled = Order.objects.get(pk=placed.pk)
    assert (filled.status, filled.filled_size) == (OrderStatus.FILLED, D("0.3"))
    assert (state_of(user).positions, state_of(user).balance) == ({}, D("11500"))


def test_a_cancel_gives_the_reservation_back_once(trader: Trader) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.5", price="60000")
    canceled = cancel_order(order_id=placed.pk, user_id=user.pk)
    assert canceled.status == OrderStatus.CANCELED
    assert state_of(user).available_margin == D("10000")
    assert GlobalExposure.objects.get().total == 0
    with pytest.raises(OrderNotOpen):
        cancel_order(order_id=placed.pk, user_id=user.pk)


def test_nothing_fills_while_trading_is_halted(trader: Trader, marks: Marks) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000")
    for halt, resume in (
        ({"trading_halted": True}, {"trading_halted": False}),
        ({"halted": True}, {"halted": False}),
    ):
        model = RiskPolicy if "trading_halted" in halt else Instrument
        model.objects.update(**halt)
        marks(BTCUSDT="59000")
        assert Order.objects.get(pk=placed.pk).status == OrderStatus.NEW
        marks(BTCUSDT="61000")
        model.objects.update(**resume)
    marks(BTCUSDT="60000")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.FILLED


@pytest.mark.parametrize("what", ["trading", "instrument"])
def test_a_halt_stops_an_order_that_was_reached_before(
    trader: Trader, marks: Marks, what: str
) -> None:
    """Once the halt ends, the order waits for its price again."""
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000")
    reach(placed, "59990")
    instrument = Instrument.objects.get(symbol="BTCUSDT")
    set_trading_state(
        state=TradingState.HALTED, reason="A test"
    ) if what == "trading" else halt_instrument(reason="A test", instrument=instrument)
    assert marks(ETHUSDT="3200").ended_orders == []
    set_trading_state(
        state=TradingState.ACTIVE, reason="A test"
    ) if what == "trading" else resume_instrument(reason="A test", instrument=instrument)
    marks(BTCUSDT="60000.01")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.NEW
    marks(BTCUSDT="60000")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.FILLED


def test_a_step_that_died_after_the_marks_loses_no_fill(trader: Trader, marks: Marks) -> None:
    """The order stays marked as reached, so that the next step fills it wherever the mark went."""
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000")
    reach(placed, "59990")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.NEW
    marks(BTCUSDT="64000")
    assert Order.objects.get(pk=placed.pk).average_price == D("60000")
