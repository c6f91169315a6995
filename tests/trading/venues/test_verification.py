"""A venue that lies: what does not fit an order is not booked, not doubled and not lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Transfer, User
from accounts.selectors import insurance_fund_balance
from market.models import Instrument
from risk.models import RiskPolicy
from tests.each import each
from tests.system.binance_standin.faults import Answer, Fault, Lie
from tests.system.binance_standin.lies import ABSENT, filling, listing, saying, twice
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import (
    Marks,
    Trader,
    later,
    order,
    parked_of,
    state_of,
    when_fates_are_final,
)
from tests.waiting import wait_for
from trading.errors import NotSettledSo, OrderPending
from trading.models import Order, OrderStatus, ParkedAnswer, Trade
from trading.services import cancel_order
from trading.venues import orders, reconciliation
from trading.venues.connection import venue_order_id
from trading.venues.orders import FATE_FINAL_AFTER
from trading.venues.reconciliation import WATCHED_FOR, reconcile_pending_orders
from trading.venues.staff_settlement import adjust_parked, book_parked, release_parked

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal
ClientOf = Callable[[User], APIClient]
TRADES = "/api/v3/myTrades"


LIES = {
    "price": filling(price="999999.00000000"),
    "price of nothing": filling(price="0.00000000"),
    "price below zero": filling(price="-1.00000000"),
    "price that cannot be booked": filling(price="65000.000000001"),
    "overfill": saying(executedQty="0.20000000"),
    "overfill in its fills": filling(qty="0.20000000"),
    "fill below zero": filling(qty="-0.10000000"),
    "another size": saying(origQty="0.20000000"),
    "another symbol": saying(symbol="ETHUSDT"),
    "another side": saying(side="SELL"),
    "another type": saying(type="LIMIT"),
    "another client id": saying(clientOrderId="somebody-elses"),
    "filled in part": saying(executedQty="0.05000000"),
    "unknown status": saying(status="PLUNDERED"),
    "one fill twice": Lie(twice),
}


@each("lie", LIES.values())
def test_an_answer_that_does_not_fit_its_order_is_parked(
    venue: BinanceStandin, trader: Trader, client_of: ClientOf, insurance: Decimal, lie: Lie
) -> None:
    user = trader("10000")
    client, sent = client_of(user), venue.count("POST")
    venue.fail_next(lie)
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.1", "leverage": 10}
    answer = client.post("/orders", body, format="json")
    assert (answer.status_code, answer.json()["order"]["status"]) == (200, "PENDING_NEW")
    placed = Order.objects.get()
    assert parked_of(placed).complaint
    canceled = client.post(f"/orders/{placed.pk}/cancel")
    assert (canceled.status_code, canceled.json()["code"]) == (409, "order_pending")
    for _ in range(2):
        assert reconcile_pending_orders() == 0
    with when_fates_are_final():
        assert reconcile_pending_orders() == 0
    placed.refresh_from_db()
    assert (placed.status, placed.filled_size) == (OrderStatus.PENDING_NEW, 0)
    assert state_of(user).reserved_margin == D("650")
    assert not Trade.objects.exists()
    assert insurance_fund_balance() == insurance
    assert venue.count("POST") == sent + 1


def test_a_fill_beyond_the_limit_is_parked(
    venue: BinanceStandin, trader: Trader, marks: Marks
) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000", leverage=10)
    venue.fill(venue_order_id(placed), "60000.01", "0.1")
    assert reconcile_pending_orders() == 0
    assert "limit" in parked_of(placed).complaint
    # It was accepted, so that it stays NEW instead of PENDING_NEW.
    placed.refresh_from_db()
    assert (placed.status, state_of(user).reserved_margin) == (OrderStatus.NEW, D("600"))
    with pytest.raises(OrderPending):
        cancel_order(order_id=placed.pk, user_id=user.pk)
    assert venue.count("DELETE") == 0


@pytest.mark.parametrize("limit", ["900000", "65000"])
def test_the_collar_holds_whatever_the_limit_allows(
    venue: BinanceStandin, trader: Trader, limit: str
) -> None:
    RiskPolicy.objects.update(price_collar=D("0.1"))
    within, beyond = ("71500", "71500.01") if limit == "900000" else ("58500", "58499.99")
    for price, status in ((within, OrderStatus.FILLED), (beyond, OrderStatus.PENDING_NEW)):
        venue.fail_next(filling(price=price))
        placed = order(trader("1000000"), "buy", "0.1", price=limit, leverage=10)
        assert placed.status == status
    assert "mark" in parked_of(placed).complaint


@each("lie", [listing(orderId=4711), listing(symbol="ETHUSDT"), listing(isBuyer=False)])
def test_a_trade_of_another_order_is_parked(
    venue: BinanceStandin, trader: Trader, lie: Lie
) -> None:
    placed = order(trader(), "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.01")
    venue.fail_next(lie, method="GET", path=TRADES)
    assert reconcile_pending_orders() == 0
    assert "another order" in parked_of(placed).complaint
    assert not Trade.objects.exists()


def test_an_order_that_shrinks_is_parked(venue: BinanceStandin, trader: Trader) -> None:
    placed = order(trader(), "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.006")
    assert reconcile_pending_orders() == 1
    behind = saying(executedQty="0.00400000", status="PARTIALLY_FILLED")
    venue.fail_next(behind, method="GET")
    assert reconcile_pending_orders() == 0
    assert not ParkedAnswer.objects.exists(), "an answer from before is no lie"
    venue.fail_next(saying(executedQty="0.00400000", status="CANCELED"), method="GET")
    assert reconcile_pending_orders() == 0
    assert parked_of(placed)
    assert Trade.objects.get().size == D("0.006")


def test_what_was_booked_is_not_held_against_a_mark_that_moved(
    venue: BinanceStandin, trader: Trader, marks: Marks
) -> None:
    placed = order(trader("100000"), "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.006")
    assert reconcile_pending_orders() == 1
    marks(BTCUSDT="30000")
    venue.fill(venue_order_id(placed), "30000", "0.004")
    assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert placed.status == OrderStatus.FILLED


def test_fills_that_are_never_listed_are_parked(venue: BinanceStandin, trader: Trader) -> None:
    venue.fail_next(Lie(lambda body: {**body, "fills": []}))
    user = trader()
    placed = order(user, "buy", "0.01")
    assert placed.status == OrderStatus.PENDING_NEW
    for seconds in (1, 700):
        assert not ParkedAnswer.objects.exists()
        venue.fail_next(Lie(lambda trades: []), method="GET", path=TRADES)
        with later(seconds):
            assert reconcile_pending_orders() == 0
    assert "lists 0 of 0.01" in parked_of(placed).complaint


def test_a_fill_that_is_listed_late_took_liquidity_all_the_same(
    venue: BinanceStandin, trader: Trader
) -> None:
    Instrument.objects.update(maker_fee_rate=D("0.0002"), taker_fee_rate=D("0.001"))
    venue.fail_next(Lie(lambda body: {**body, "fills": []}))
    placed = order(trader(), "buy", "0.01")
    assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert placed.status == OrderStatus.FILLED
    trade = Trade.objects.get()
    assert trade.fee == trade.notional * D("0.001")


def test_duplicate_means_ask(venue: BinanceStandin, trader: Trader) -> None:
    """The first sending arrived, and the answer is that to a repetition on the way."""
    duplicate = {"code": -2010, "msg": "Duplicate order sent."}
    venue.fail_next(Lie(lambda body: duplicate, status=400))
    user = trader("10000")
    placed = order(user, "buy", "0.1", leverage=10)
    assert (placed.status, placed.accepted_as) == (OrderStatus.FILLED, OrderStatus.FILLED)
    assert state_of(user).position_margin == D("650")
    assert len(venue.orders) == venue.count("POST") == 1


def test_a_duplicate_that_the_venue_does_not_know_stays_pending(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    venue.fail_next(Answer(400, {"code": -2010, "msg": "Duplicate order sent."}))
    placed = order(user, "buy", "0.01")
    assert placed.status == OrderStatus.PENDING_NEW
    venue.fail_next(Answer(400, {"code": -2010, "msg": "Duplicate order sent."}))
    venue.fail_next(Fault.DROP_AFTER, method="GET")
    assert order(user, "buy", "0.01").status == OrderStatus.PENDING_NEW
    with when_fates_are_final():
        assert reconcile_pending_orders() == 2
    assert state_of(user).exposure == 0


def test_a_fill_that_arrives_after_the_end_is_parked_once(
    venue: BinanceStandin, trader: Trader, clerk: User
) -> None:
    """Reconciliation ended the order; then the venue turns out to have filled it."""
    user = trader("10000")
    venue.fail_next(Fault.DROP_AFTER)
    placed = order(user, "buy", "0.1", leverage=10)
    venue.fail_next(ABSENT, method="GET")
    with when_fates_are_final():
        assert reconcile_pending_orders() == 1
        placed.refresh_from_db()
        assert (placed.status, placed.filled_size) == (OrderStatus.EXPIRED, 0)
        for _ in range(2):
            assert reconcile_pending_orders() == 0
        parked = parked_of(placed)
        assert parked.executed_quantity == D("0.1")
        with pytest.raises(NotSettledSo):
            book_parked(parked=parked, size=D("0.1"), price=D(65000), reason="x", staff=clerk)
        with pytest.raises(NotSettledSo):
            release_parked(parked=parked, reason="x", staff=clerk)
        adjust_parked(parked=parked, amount=D("12.5"), reason="Its profit", staff=clerk)
        assert reconcile_pending_orders() == 0
    assert ParkedAnswer.objects.count() == 1
    transfer = Transfer.objects.latest("id")
    assert (transfer.reference, transfer.amount) == (f"order:{placed.pk}", D("12.5"))
    assert (transfer.reason, transfer.created_by) == ("Its profit", clerk)
    before = placed.updated_at
    placed.refresh_from_db()
    assert (placed.updated_at, state_of(user).balance) == (before, D("10012.5"))


def test_an_order_that_arrives_after_its_end_is_canceled_at_the_venue(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    venue.fail_next(Fault.DROP_AFTER)
    placed = order(user, "buy", "0.01", price="60000")
    venue.fail_next(ABSENT, method="GET")
    with when_fates_are_final():
        assert reconcile_pending_orders() == 1
        venue.fill(venue_order_id(placed), "60000", "0.004")
        assert reconcile_pending_orders() == 0
        assert venue.order(venue_order_id(placed)).status == "CANCELED"
        assert parked_of(placed).executed_quantity == D("0.004")
    with later((FATE_FINAL_AFTER + WATCHED_FOR).total_seconds()):
        requests = len(venue.seen)
        reconcile_pending_orders()
        assert len(venue.seen) == requests


def test_an_order_that_the_venue_refused_and_filled_is_parked(
    venue: BinanceStandin, trader: Trader
) -> None:
    refused = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    venue.fail_next(Lie(lambda body: refused, status=400))
    placed = order(trader(), "buy", "0.01")
    assert placed.status == OrderStatus.REJECTED
    assert reconcile_pending_orders() == 0
    assert parked_of(placed).executed_quantity == D("0.01")


def test_an_order_that_the_venue_canceled_and_filled_is_parked(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    assert cancel_order(order_id=placed.pk, user_id=user.pk).status == OrderStatus.CANCELED
    assert reconcile_pending_orders() == 0
    assert not ParkedAnswer.objects.exists()
    there = venue.order(venue_order_id(placed))
    venue.matching.execute(there, D("60000"), D("0.01"), maker=True, time=venue.now())
    assert reconcile_pending_orders() == 0
    assert parked_of(placed).executed_quantity == D("0.01")
    assert not Trade.objects.exists()


def test_a_symbol_that_the_venue_does_not_list_is_parked(
    venue: BinanceStandin, trader: Trader
) -> None:
    placed = order(trader(), "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.01")
    venue.fail_next(saying(symbol="NOPE"), method="GET")
    assert reconcile_pending_orders() == 0
    assert "NOPE" in parked_of(placed).complaint


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_finds_its_order_ended_is_parked(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = trader("10000")
    monkeypatch.setattr(orders, "FATE_FINAL_AFTER", timedelta())
    venue.fail_next(Fault.HOLD_AFTER)
    venue.fail_next(ABSENT, method="GET")

    def place() -> Order:
        try:
            return order(user, "buy", "0.1", leverage=10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(place)
        wait_for(lambda: venue.orders, what="the order at the venue", seconds=60)
        assert reconcile_pending_orders() == 1
        venue.release()
        placed = placing.result()
    assert (placed.status, placed.filled_size) == (OrderStatus.EXPIRED, 0)
    assert parked_of(placed).executed_quantity == D("0.1")
    assert state_of(user).exposure == 0


REFUSE_TRADES = """
CREATE TRIGGER nothing_today BEFORE INSERT ON trading_trade
    FOR EACH ROW WHEN (NEW.size = 0.02) EXECUTE FUNCTION refuse_change('nothing today')
"""


def test_what_the_database_refuses_is_parked_and_does_not_lose_the_others(
    venue: BinanceStandin, trader: Trader, client_of: ClientOf
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REFUSE_TRADES)
    sizes = ["0.01", "0.02", "0.03"]
    asked = [{"symbol": "BTCUSDT", "side": "buy", "size": size} for size in sizes]
    answer = client_of(trader()).post("/orders/batch", {"orders": asked}, format="json")
    results = answer.json()["results"]
    assert [result["status_code"] for result in results] == [200, 200, 200]
    statuses = [result["order"]["status"] for result in results]
    assert statuses == ["FILLED", "PENDING_NEW", "FILLED"]
    assert "nothing today" in ParkedAnswer.objects.get().complaint


REFUSE_ORDERS = """
CREATE TRIGGER nothing_today BEFORE INSERT ON trading_order
    FOR EACH ROW WHEN (NEW.size = 0.02) EXECUTE FUNCTION refuse_change('nothing today')
"""


def test_a_fault_at_one_order_of_a_batch_keeps_the_answers_before_it(
    venue: BinanceStandin, trader: Trader, client_of: ClientOf
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REFUSE_ORDERS)
    sizes = ["0.01", "0.02", "0.03"]
    asked = [{"symbol": "BTCUSDT", "side": "buy", "size": size} for size in sizes]
    answer = client_of(trader()).post("/orders/batch", {"orders": asked}, format="json")
    first, second, third = answer.json()["results"]
    assert [first["order"]["status"], third["order"]["status"]] == ["FILLED", "FILLED"]
    assert (second["status_code"], second["code"]) == (503, "order_not_placed")
    assert venue.count("POST") == 2


def test_a_venue_that_drips_holds_no_run(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that runs never pile up in the workers that market steps share."""
    user = trader()
    for _ in range(4):
        placed = order(user, "buy", "0.01", price="60000")
        venue.fill(venue_order_id(placed), "60000", "0.01")
    requests = venue.count("GET")
    venue.fail_next(Fault.DRIP_BODY, method="GET")
    with monkeypatch.context() as patch:
        patch.setattr(reconciliation, "RUN_FOR", 0.5)
        assert reconcile_pending_orders() == 0
    assert venue.count("GET") == requests + 1
    assert reconcile_pending_orders() == 4


def test_an_order_that_holds_up_reconciliation_does_not_shield_the_others(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    venue.fail_next(Fault.DROP_AFTER)
    stuck = order(user, "buy", "0.01")
    resting = order(user, "buy", "0.01", price="60000")
    venue.fill(venue_order_id(resting), "60000", "0.01")
    venue.fail_next(Fault.DROP_AFTER, method="GET")
    assert reconcile_pending_orders() == 1
    resting.refresh_from_db()
    assert resting.status == OrderStatus.FILLED
    assert Order.objects.get(pk=stuck.pk).status == OrderStatus.PENDING_NEW
