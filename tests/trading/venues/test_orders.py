"""Orders at Binance Spot Testnet: what the venue does is booked here once, whatever gets lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.selectors import insurance_fund_balance, total_bad_debt
from market.kernel.states import TradingState
from market.models import Instrument
from risk.models import GlobalExposure, LeverageLimit, RiskPolicy
from tests.each import each
from tests.system.binance_standin.faults import Answer, Fault
from tests.system.binance_standin.orders import Order as VenueOrder
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Marks, Trader, order, state_of, when_fates_are_final
from tests.waiting import wait_for
from trading.errors import OrderNotOpen, OrderPending
from trading.models import Order, OrderStatus, Trade, Venue
from trading.services import cancel_order, close_position
from trading.venues import orders
from trading.venues.connection import check_venue, venue_order_id
from trading.venues.kill import Scope, kill
from trading.venues.reconciliation import reconcile_pending_orders

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal
ClientOf = Callable[[User], APIClient]


def at_venue(venue: BinanceStandin, placed: Order) -> VenueOrder:
    return venue.order(venue_order_id(placed))


def test_a_market_order_fills_at_the_venues_prices(
    venue: BinanceStandin, trader: Trader, market: dict[str, Instrument]
) -> None:
    Instrument.objects.update(taker_fee_rate=D("0.001"))
    venue.set_book(
        "BTCUSDT", bids=[], asks=[(D("65000.01"), D("0.01")), (D("65000.02"), D("0.03"))]
    )
    user = trader("10000")
    placed = order(user, "buy", "0.03", leverage=5)
    assert (placed.status, placed.venue) == (OrderStatus.FILLED, Venue.BINANCE_TESTNET)
    trades = Trade.objects.order_by("id").values_list("price", "size", "fee")
    assert list(trades) == [
        (D("65000.01"), D("0.01"), D("0.6500001")),
        (D("65000.02"), D("0.02"), D("1.3000004")),
    ]
    assert placed.average_price == D("65000.01666667")
    state = state_of(user)
    assert state.reserved_margin == state.reserved_notional == 0
    assert state.position_margin == D("390.0001")
    assert state.balance == D("10000") - D("1.9500005")
    assert GlobalExposure.objects.get().total == D("1950")


def test_a_limit_order_rests_and_reserves_until_the_venue_fills_it(
    venue: BinanceStandin, trader: Trader, marks: Marks
) -> None:
    Instrument.objects.update(maker_fee_rate=D("0.0002"), taker_fee_rate=D("0.001"))
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000", leverage=10)
    assert (placed.status, placed.accepted_as) == (OrderStatus.NEW, OrderStatus.NEW)
    assert state_of(user).reserved_margin == D("600")
    marks(BTCUSDT="59000")
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.NEW
    venue.fill(venue_order_id(placed), "60000", "0.04")
    assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert (placed.status, placed.filled_size) == (OrderStatus.PARTIALLY_FILLED, D("0.04"))
    state = state_of(user)
    assert (state.position_margin, state.reserved_margin) == (D("240"), D("360"))
    assert Trade.objects.get().fee == D("0.48")
    venue.fill(venue_order_id(placed), "60000", "0.06")
    assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert (placed.status, state_of(user).reserved_notional) == (OrderStatus.FILLED, 0)


def test_a_fill_too_small_to_free_margin_frees_its_notional(
    venue: BinanceStandin, trader: Trader, marks: Marks
) -> None:
    """A lot at 0.01 holds half a unit of margin, which the rest of the order keeps."""
    marks(BTCUSDT="0.02")
    venue.set_price("BTCUSDT", "0.02")
    user = trader("10000", "advanced")
    placed = order(user, "buy", "500", price="0.01", leverage=20)
    marks(BTCUSDT="0.01")
    venue.fill(venue_order_id(placed), "0.01", "0.00001")
    assert reconcile_pending_orders() == 1
    state = state_of(user)
    assert (state.reserved_margin, state.reserved_notional) == (D("0.25"), D("4.9999999"))


def test_reconciling_twice_changes_nothing(venue: BinanceStandin, trader: Trader) -> None:
    placed = order(trader(), "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.004")
    assert [reconcile_pending_orders() for _ in range(3)] == [1, 0, 0]
    assert Trade.objects.count() == 1


def test_a_partly_filled_order_is_canceled_with_what_filled_meanwhile(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader("10000")
    placed = order(user, "buy", "0.1", price="60000", leverage=10)
    venue.fill(venue_order_id(placed), "60000", "0.03")
    canceled = cancel_order(order_id=placed.pk, user_id=user.pk)
    assert (canceled.status, canceled.filled_size) == (OrderStatus.CANCELED, D("0.03"))
    state = state_of(user)
    assert (state.position_margin, state.reserved_margin) == (D("180"), 0)
    assert at_venue(venue, placed).status == "CANCELED"


def test_an_order_that_the_venue_filled_first_cannot_be_canceled(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    venue.fill(venue_order_id(placed), "60000", "0.01")
    with pytest.raises(OrderNotOpen):
        cancel_order(order_id=placed.pk, user_id=user.pk)
    placed.refresh_from_db()
    assert placed.status == OrderStatus.FILLED
    requests = len(venue.seen)
    with pytest.raises(OrderNotOpen):
        cancel_order(order_id=placed.pk, user_id=user.pk)
    assert len(venue.seen) == requests


def test_a_lost_cancel_is_found_done(venue: BinanceStandin, trader: Trader) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    venue.fail_next(Fault.DROP_AFTER, method="DELETE")
    with pytest.raises(OrderPending):
        cancel_order(order_id=placed.pk, user_id=user.pk)
    assert cancel_order(order_id=placed.pk, user_id=user.pk).status == OrderStatus.CANCELED


def test_a_position_is_closed_whole_at_the_venue(venue: BinanceStandin, trader: Trader) -> None:
    user = trader("10000")
    order(user, "buy", "0.01")
    order(user, "buy", "0.02")
    closing = close_position(user_id=user.pk, symbol="BTCUSDT").order
    assert (closing.status, closing.venue) == (OrderStatus.FILLED, Venue.BINANCE_TESTNET)
    assert (at_venue(venue, closing).side, closing.filled_size) == ("SELL", D("0.03"))
    assert state_of(user).positions == {}
    requests = len(venue.seen)
    nothing = close_position(user_id=user.pk, symbol="BTCUSDT").order
    assert (nothing.reject_code, len(venue.seen)) == ("reduce_only_rejected", requests)


def test_what_goes_out_counts_as_sent_though_it_would_close_here(
    venue: BinanceStandin, trader: Trader
) -> None:
    """Its position may be gone when it fills."""
    user = trader("10000")
    order(user, "buy", "0.01")
    LeverageLimit.objects.update(max_minute_value=D(1300))
    assert [order(user, "sell", "0.01").reject_code for _ in range(3)] == [
        *("", ""),
        "order_volume_exceeded",
    ]


def test_all_orders_are_canceled_here_and_at_the_venue(
    venue: BinanceStandin,
    trader: Trader,
    settings: Any,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that fills first is not told, and one whose cancel is lost is told as left open."""
    user = trader()
    lost, filled, ended = (order(user, "buy", "0.01", price="60000") for _ in range(3))
    settings.EXCHANGE_VENUE = Venue.SIMULATED
    here = order(user, "buy", "0.01", price="60000")
    api = client_of(user)
    venue.fail_next(Fault.DROP_AFTER, method="DELETE")
    venue.fill(venue_order_id(filled), "60000", "0.01")
    answer = api.post("/orders/cancel-all").json()
    assert (answer["canceled"], answer["count"]) == ([ended.pk, here.pk], 2)
    [left] = answer["not_canceled"]
    assert (left["order_id"], left["code"]) == (lost.pk, "order_pending")
    monkeypatch.setattr(orders, "CANCEL_WITHIN", -1)  # as if those before had taken so long
    assert api.post("/orders/cancel-all").json()["not_canceled"][0]["detail"] == orders.NO_TIME
    monkeypatch.undo()
    assert api.post("/orders/cancel-all").json()["canceled"] == [lost.pk]


@pytest.mark.django_db(transaction=True)
def test_a_kill_leaves_what_breaks_at_the_venue_to_the_next_time(
    venue: BinanceStandin, trader: Trader
) -> None:
    """An order whose end cannot be booked keeps no other open."""
    user = trader()
    broken, ended = (order(user, "buy", "0.01", price="60000") for _ in range(2))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_end() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'broken'; END $$; "
            "CREATE TRIGGER refuse BEFORE UPDATE ON trading_order FOR EACH ROW "
            f"WHEN (NEW.id = {broken.pk}) EXECUTE FUNCTION refuse_end()"
        )
        try:
            act = kill(scope=Scope(), state=TradingState.HALTED, reason="A test")
        finally:
            cursor.execute("DROP TRIGGER refuse ON trading_order; DROP FUNCTION refuse_end")
    assert (act.canceled, act.finished_at) == (1, None)
    ended.refresh_from_db()
    assert ended.status == OrderStatus.CANCELED
    act = kill(scope=Scope(), state=TradingState.HALTED, reason="A test")
    assert (act.canceled, act.finished_at is None) == (2, False)


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.UNAVAILABLE_AFTER, Fault.DRIP_BODY])
def test_an_order_whose_answer_was_lost_is_found_filled(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    if fault is Fault.DRIP_BODY:  # which the client waits out; what goes before has to fit in
        monkeypatch.setattr(orders, "SEND_WITHIN", timedelta(seconds=5))
    venue.fail_next(fault)
    user = trader("10000")
    placed = order(user, "buy", "0.1", leverage=10)
    assert (placed.status, placed.filled_size) == (OrderStatus.PENDING_NEW, 0)
    assert state_of(user).reserved_margin == D("650")
    assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert (placed.status, placed.filled_size) == (OrderStatus.FILLED, D("0.1"))
    assert (state_of(user).position_margin, state_of(user).reserved_margin) == (D("650"), 0)
    assert venue.count("POST") == 1


@each(
    ("side", "price", "notional"),
    [
        ("buy", "60000", "6000"),
        ("buy", "66000", "6600"),
        ("sell", "64000", "6500"),
        ("sell", None, "6500"),
    ],
)
def test_an_order_in_flight_reserves_for_the_price_that_it_may_fill_at(
    venue: BinanceStandin, trader: Trader, side: str, price: str | None, notional: str
) -> None:
    venue.fail_next(Fault.DROP_BEFORE)
    user = trader("10000")
    order(user, side, "0.1", price=price)
    assert state_of(user).exposure == GlobalExposure.objects.get().total == D(notional)


@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE, Fault.UNAVAILABLE_BEFORE])
def test_an_order_that_never_arrived_expires_when_that_is_certain(
    venue: BinanceStandin, trader: Trader, fault: Fault
) -> None:
    venue.fail_next(fault)
    user = trader()
    placed = order(user, "buy", "0.01")
    assert reconcile_pending_orders() == 0
    assert Order.objects.get(pk=placed.pk).status == OrderStatus.PENDING_NEW
    with pytest.raises(OrderPending):
        cancel_order(order_id=placed.pk, user_id=user.pk)
    with when_fates_are_final():
        assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert (placed.status, placed.reject_code) == (OrderStatus.EXPIRED, "venue_rejected")
    assert (state_of(user).exposure, venue.orders) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_reconciling_while_an_order_is_being_placed_books_it_once(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    venue.fail_next(Fault.HOLD_AFTER)

    def place() -> Order:
        try:
            return order(user, "buy", "0.01")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(place)
        wait_for(lambda: venue.orders, what="the order at the venue", seconds=4)
        assert reconcile_pending_orders() == 1
        venue.release()
        assert placing.result().status == OrderStatus.FILLED
    assert Trade.objects.count() == 1
    assert state_of(user).reserved_margin == 0


def test_a_repeated_request_is_answered_without_the_venue(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    filled = order(user, "buy", "0.01", client_order_id="one")
    again = order(user, "buy", "0.01", client_order_id="one")
    assert (again.pk, again.status) == (filled.pk, OrderStatus.FILLED)
    venue.fail_next(Fault.DROP_AFTER)
    pending = order(user, "buy", "0.01", client_order_id="two")
    assert order(user, "buy", "0.01", client_order_id="two").pk == pending.pk
    assert venue.count("POST") == 2


def test_a_refusal_of_the_venue_is_stored_and_answered(
    venue: BinanceStandin, trader: Trader, client_of: ClientOf
) -> None:
    user = trader()
    venue.set_balance("USDT", "1")
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.01", "client_order_id": "poor"}
    answers = [client_of(user).post("/orders", body, format="json") for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["code"] == "venue_rejected"
        assert "insufficient balance" in answer.json()["detail"]
    placed = Order.objects.get()
    assert (placed.status, placed.accepted_as) == (OrderStatus.REJECTED, OrderStatus.REJECTED)
    assert (state_of(user).exposure, venue.count("POST")) == (0, 1)


def test_a_filter_of_the_venue_is_named(venue: BinanceStandin, trader: Trader) -> None:
    placed = order(trader(), "buy", "0.00355", symbol="ETHUSDT")
    assert placed.reject_code == "venue_rejected"
    assert "Filter failure: LOT_SIZE" in placed.reject_detail


def test_our_own_checks_come_first(venue: BinanceStandin, trader: Trader) -> None:
    assert order(trader(), "buy", "1000").reject_code == "insufficient_margin"
    RiskPolicy.objects.update(global_exposure_threshold=0)
    assert order(trader(), "buy", "0.01").reject_code == "global_exposure_exceeded"
    assert venue.seen == []


def test_a_venue_that_is_away_refuses_and_reserves_nothing(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    venue.stop()
    placed = order(user, "buy", "0.01")
    assert (placed.status, placed.reject_code) == (OrderStatus.REJECTED, "venue_unavailable")
    assert state_of(user).exposure == 0
    venue.start()
    assert order(user, "buy", "0.01").status == OrderStatus.FILLED


def test_a_pause_that_the_venue_asks_for_is_kept(venue: BinanceStandin, trader: Trader) -> None:
    user = trader()
    resting = order(user, "buy", "0.01", price="60000")
    busy = {"code": -1003, "msg": "Too many requests."}
    venue.fail_next(Answer(429, busy, (("Retry-After", "30"),)))
    refused = [order(user, "buy", "0.01") for _ in range(2)]
    assert {placed.reject_code for placed in refused} == {"venue_unavailable"}
    venue.fill(venue_order_id(resting), "60000", "0.01")
    requests = len(venue.seen)
    assert reconcile_pending_orders() == 0
    assert len(venue.seen) == requests
    assert state_of(user).exposure == D("600")


def test_an_order_that_was_held_up_is_not_sent(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SEND_WITHIN", timedelta())
    placed = order(trader(), "buy", "0.01")
    assert (placed.reject_code, venue.seen) == ("venue_unavailable", [])


def test_an_order_is_not_sent_once_its_time_went_into_asking_for_the_time(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "SEND_WITHIN", timedelta(seconds=0.5))
    venue.fail_next(Fault.DRIP_HEAD, method="GET", path="/api/v3/time")
    user = trader()
    placed = order(user, "buy", "0.01")
    assert (placed.status, placed.reject_code) == (OrderStatus.REJECTED, "venue_unavailable")
    assert venue.count("POST") == 0
    assert state_of(user).exposure == 0


def test_an_order_that_cannot_be_settled_does_not_shield_the_others(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    first, second, third = (order(user, "buy", "0.01", price="60000") for _ in range(3))
    for placed in (first, second, third):
        venue.fill(venue_order_id(placed), "60000", "0.01")
    venue.fail_next(Fault.UNAVAILABLE_BEFORE, method="GET")
    # A price that the ledger cannot value exactly.
    [trade] = at_venue(venue, second).trades
    at_venue(venue, second).trades[:] = [replace(trade, price=D("60000.00000001"))]
    assert reconcile_pending_orders() == 1
    third.refresh_from_db()
    assert third.status == OrderStatus.FILLED


def test_a_market_order_expires_with_what_the_venue_had(
    venue: BinanceStandin, trader: Trader
) -> None:
    venue.set_book("BTCUSDT", bids=[], asks=[(D("65000"), D("0.02"))])
    user = trader("10000")
    placed = order(user, "buy", "0.1", leverage=10)
    assert (placed.status, placed.filled_size) == (OrderStatus.EXPIRED, D("0.02"))
    assert placed.reject_code == "venue_expired"
    assert (state_of(user).position_margin, state_of(user).reserved_margin) == (D("130"), 0)


def test_orders_in_flight_cannot_close_one_position_twice(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader("1310")
    assert order(user, "buy", "0.1", leverage=5).status == OrderStatus.FILLED
    assert order(user, "sell", "0.1", price="70000").reject_code == "insufficient_margin"
    resting = order(user, "sell", "0.06", price="70000", reduce_only=True)
    assert resting.status == OrderStatus.NEW
    too_much = order(user, "sell", "0.05", reduce_only=True)
    assert too_much.reject_code == "reduce_only_rejected"
    assert "0.04" in too_much.reject_detail
    assert order(user, "sell", "0.04", reduce_only=True).status == OrderStatus.FILLED
    venue.fill(venue_order_id(resting), "70000", "0.06")
    reconcile_pending_orders()
    assert state_of(user).positions == {}


def test_by_brackets_an_order_is_asked_before_it_goes_out_and_not_as_it_fills(
    venue: BinanceStandin, trader: Trader, marks: Marks
) -> None:
    """0.1 more would require 0.3 × 13,000, of which 3,850 are there; it fills at a worse mark."""
    ladder = "BTCUSDT 99999: 0.3 3x"
    user = trader("3850")
    order(user, "buy", "0.1", leverage=5)
    RiskPolicy.objects.update(margin_mode="brackets", maintenance_brackets=ladder)
    for price in (None, "64999", "65001"):
        assert order(user, "buy", "0.1", price=price).reject_code == "below_maintenance"
    resting = order(user, "buy", "0.09", price="64000")
    assert resting.status == OrderStatus.NEW
    marks(BTCUSDT="63000")
    venue.fill(venue_order_id(resting), "64000", "0.09")
    assert reconcile_pending_orders() == 1
    resting.refresh_from_db()
    assert resting.status == OrderStatus.FILLED


def test_a_loss_beyond_the_balance_is_covered(
    venue: BinanceStandin, trader: Trader, insurance: Decimal
) -> None:
    user = trader("1310")
    order(user, "buy", "0.1", leverage=5)
    venue.set_price("BTCUSDT", "46000")
    closed = order(user, "sell", "0.1", reduce_only=True)
    assert (closed.status, state_of(user).balance) == (OrderStatus.FILLED, 0)


def test_trading_fees_are_no_money_of_the_insurance_fund(
    venue: BinanceStandin, trader: Trader
) -> None:
    Instrument.objects.update(taker_fee_rate=D("0.001"))
    user = trader("1400")
    order(user, "buy", "0.1", leverage=5)
    venue.set_price("BTCUSDT", "46000")
    order(user, "sell", "0.1", reduce_only=True)
    assert state_of(user).balance == 0
    assert (insurance_fund_balance(), total_bad_debt()) == (0, D("511.100999"))


def test_an_order_that_the_venue_forgot_gives_its_reservation_back(
    venue: BinanceStandin, trader: Trader
) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    venue.wipe()
    assert reconcile_pending_orders() == 0
    with when_fates_are_final():
        assert reconcile_pending_orders() == 1
    placed.refresh_from_db()
    assert (placed.status, state_of(user).reserved_margin) == (OrderStatus.EXPIRED, 0)


def test_orders_keep_their_venue_when_the_setting_changes(
    venue: BinanceStandin, trader: Trader, settings: Any
) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    settings.EXCHANGE_VENUE = Venue.SIMULATED
    assert order(user, "buy", "0.01").venue == Venue.SIMULATED
    assert cancel_order(order_id=placed.pk, user_id=user.pk).status == OrderStatus.CANCELED
    assert at_venue(venue, placed).status == "CANCELED"


def test_missing_credentials_are_told_before_anything_is_stored(
    venue: BinanceStandin, trader: Trader, client_of: ClientOf, settings: Any
) -> None:
    settings.BINANCE_API_SECRET = ""
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.01"}
    answer = client_of(trader()).post("/orders", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "venue_credentials_missing")
    assert not Order.objects.exists()
    assert reconcile_pending_orders() == 0


def test_the_venues_id_tells_orders_of_two_databases_apart(
    venue: BinanceStandin, trader: Trader
) -> None:
    placed = order(trader(), "buy", "0.01")
    namesake = Order(pk=placed.pk, created_at=timezone.now() + timedelta(days=1))
    assert venue_order_id(namesake) != venue_order_id(placed)
    assert len(venue_order_id(Order(pk=2**63 - 1, created_at=timezone.now()))) <= 36


@pytest.mark.parametrize(
    ("setting", "value"), [("EXCHANGE_VENUE", "binance"), ("BINANCE_BASE_URL", "testnet")]
)
def test_a_venue_that_cannot_work_is_refused_at_start(
    settings: Any, setting: str, value: str
) -> None:
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured, match=setting):
        check_venue()
