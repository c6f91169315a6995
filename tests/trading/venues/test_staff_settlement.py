"""Staff settle what a venue said and does not fit: booked as they enter it, released, adjusted."""

from decimal import Decimal

import pytest

from accounts.models import Transfer, User
from kpi.alerts.rules import evaluate_rules
from kpi.audit.models import AuditRecord
from kpi.models import Alert
from market.kernel.errors import ReasonRequired
from risk.models import GlobalExposure
from tests.system.binance_standin.faults import Fault
from tests.system.binance_standin.lies import ABSENT, filling, saying
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Trader, order, parked_of, state_of, when_fates_are_final
from trading.errors import AlreadySettled, NotSettledSo
from trading.models import OrderStatus, ParkedAnswer, ParkedOutcome
from trading.venues.connection import venue_order_id
from trading.venues.reconciliation import reconcile_pending_orders
from trading.venues.staff_settlement import adjust_parked, book_parked, release_parked

pytest_plugins = ["tests.system.binance_standin.fixtures"]

D = Decimal


def test_staff_book_a_parked_order(venue: BinanceStandin, trader: Trader, clerk: User) -> None:
    user = trader("10000")
    venue.fail_next(saying(executedQty="0.20000000"))
    placed = order(user, "buy", "0.1", leverage=10)
    parked = parked_of(placed)
    for size, price in (("0.11", "65000"), ("0", "65000"), ("0.1", "-1"), ("0.1", "1e-9")):
        with pytest.raises(NotSettledSo):
            book_parked(parked=parked, size=D(size), price=D(price), reason="x", staff=clerk)
    with pytest.raises(ReasonRequired):
        book_parked(parked=parked, size=D("0.1"), price=D(65010), reason=" ", staff=clerk)
    with pytest.raises(NotSettledSo):
        adjust_parked(parked=parked, amount=D(1), reason="x", staff=clerk)
    book_parked(parked=parked, size=D("0.1"), price=D(65010), reason="By phone", staff=clerk)
    placed.refresh_from_db()
    assert (placed.status, placed.average_price) == (OrderStatus.FILLED, D(65010))
    state = state_of(user)
    assert (state.position_margin, state.reserved_margin) == (D("650.1"), 0)
    with pytest.raises(AlreadySettled):
        release_parked(parked=parked, reason="x", staff=clerk)
    # The venue goes on saying that it filled more; staff have seen that.
    assert reconcile_pending_orders() == 0
    assert ParkedAnswer.objects.get().outcome == ParkedOutcome.BOOKED
    record = AuditRecord.objects.get(kind="answer_settled")
    assert (record.actor, record.user) == (clerk, user)
    assert record.details["reason"] == "By phone"


def test_staff_book_a_part_and_the_rest_is_released(
    venue: BinanceStandin, trader: Trader, clerk: User
) -> None:
    user = trader("10000")
    venue.fail_next(filling(price="999999.00000000"))
    placed = order(user, "buy", "0.1", leverage=10)
    book_parked(
        parked=parked_of(placed), size=D("0.04"), price=D(65000), reason="Its part", staff=clerk
    )
    placed.refresh_from_db()
    assert (placed.status, placed.filled_size) == (OrderStatus.EXPIRED, D("0.04"))
    assert placed.reject_code == "venue_settled"
    assert (state_of(user).position_margin, state_of(user).reserved_margin) == (D("260"), 0)


def test_staff_release_a_parked_order(venue: BinanceStandin, trader: Trader, clerk: User) -> None:
    user = trader("10000")
    venue.fail_next(saying(symbol="ETHUSDT"))
    placed = order(user, "buy", "0.1", price="60000", leverage=10)
    evaluate_rules()
    assert Alert.objects.get(resolved_at=None).rule.kind == "parked_answers"
    release_parked(parked=parked_of(placed), reason="Not ours", staff=clerk)
    placed.refresh_from_db()
    assert (placed.status, placed.reject_code) == (OrderStatus.EXPIRED, "venue_settled")
    assert state_of(user).exposure == GlobalExposure.objects.get().total == 0
    reconcile_pending_orders()
    assert venue.order(venue_order_id(placed)).status == "CANCELED"
    evaluate_rules()
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_an_ended_order_may_be_settled_without_a_transfer(
    venue: BinanceStandin, trader: Trader, clerk: User
) -> None:
    venue.fail_next(Fault.DROP_AFTER)
    placed = order(trader(), "buy", "0.01")
    venue.fail_next(ABSENT, method="GET")
    with when_fates_are_final():
        assert reconcile_pending_orders() == 1
        assert reconcile_pending_orders() == 0
    transfers = Transfer.objects.count()
    assert adjust_parked(parked=parked_of(placed), amount=D(0), reason="Bust", staff=clerk) is None
    assert Transfer.objects.count() == transfers
    assert ParkedAnswer.objects.get().outcome == ParkedOutcome.CLOSED
