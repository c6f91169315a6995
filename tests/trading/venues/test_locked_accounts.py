"""Who books what a venue said waits for a locked account with a deadline, and loses nothing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.locks import lock_account
from accounts.models import User
from market.kernel.errors import DatabaseBusy
from market.kernel.states import TradingState
from tests.system.binance_standin.lies import saying
from tests.system.binance_standin.server import BinanceStandin
from tests.trading.conftest import Trader, order, parked_of
from trading.errors import OrderPending
from trading.models import Kill, Order, OrderStatus
from trading.venues import kill as kills
from trading.venues import staff_settlement
from trading.venues.connection import venue_order_id
from trading.venues.kill import Scope, kill
from trading.venues.orders import LOCKED, cancel_at_venue
from trading.venues.reconciliation import reconcile_pending_orders
from trading.venues.staff_settlement import adjust_parked, book_parked, release_parked

pytest_plugins = ["tests.system.binance_standin.fixtures"]
pytestmark = pytest.mark.django_db(transaction=True)

#: Far longer than any deadline of those who wait.
AT_LAST = 60


@contextmanager
def held(user: User) -> Iterator[Callable[..., Any]]:
    """Hold the account of a user; what is yielded calls from a session of its own meanwhile."""

    def elsewhere(call: Callable[..., Any], **asked: Any) -> Any:
        def closing() -> Any:
            try:
                return call(**asked)
            finally:
                connection.close()

        return pool.submit(closing).result(AT_LAST)

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_account(user_id=user.pk)
        yield elsewhere


def status_of(placed: Order) -> str:
    return Order.objects.values_list("status", flat=True).get(pk=placed.pk)


def test_a_kill_leaves_what_it_cannot_book_to_reconciliation(
    venue: BinanceStandin, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue has ended the order; here that is booked once the account is free."""
    monkeypatch.setattr(kills, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr("trading.booking.isolation.PATIENCE", 0.2)
    user, other = trader(), trader()
    locked, free = (order(one, "buy", "0.01", price="60000") for one in (user, other))
    with held(user) as elsewhere:
        act: Kill = elsewhere(kill, scope=Scope(), state=TradingState.HALTED, reason="A test")
        assert (act.canceled, status_of(free)) == (1, OrderStatus.CANCELED)
        assert (act.finished_at, status_of(locked)) == (None, OrderStatus.NEW)
        assert venue.order(venue_order_id(locked)).status == "CANCELED"
        assert elsewhere(reconcile_pending_orders) == 0
    assert reconcile_pending_orders() == 1
    assert status_of(locked) == OrderStatus.CANCELED
    act = kill(scope=Scope(), state=TradingState.HALTED, reason="A test")
    assert (act.canceled, act.finished_at is None) == (1, False)


def test_a_cancel_says_that_its_end_is_booked_later(venue: BinanceStandin, trader: Trader) -> None:
    user = trader()
    placed = order(user, "buy", "0.01", price="60000")
    with held(user) as elsewhere, pytest.raises(OrderPending) as told:
        elsewhere(cancel_at_venue, order=placed, patience=0.1)
    assert (told.value.detail, told.value.context) == (LOCKED, {"order_id": placed.pk})
    assert reconcile_pending_orders() == 1
    assert status_of(placed) == OrderStatus.CANCELED


def test_a_kill_of_an_account_that_is_held_says_so(
    trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "LONGEST_WAIT", 0.1)
    user = trader()
    scope = Scope(account=user.account)
    with held(user) as elsewhere, pytest.raises(DatabaseBusy):
        elsewhere(kill, scope=scope, state=TradingState.HALTED, reason="A test")
    assert kill(scope=scope, state=TradingState.HALTED, reason="A test").finished_at is not None


def test_whoever_settles_an_answer_of_an_account_that_is_held_is_told_so(
    venue: BinanceStandin, trader: Trader, clerk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staff_settlement, "PATIENCE", 0.1)
    user = trader()
    venue.fail_next(saying(symbol="ETHUSDT"))
    parked = parked_of(order(user, "buy", "0.01", price="60000"))
    asked: dict[str, Any] = {"parked": parked, "reason": "A test", "staff": clerk}

    def elsewhere(settle: Callable[..., Any], **more: Any) -> type[BaseException] | None:
        try:
            settle(**asked, **more)
        except Exception as error:
            return type(error)
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(3) as pool, transaction.atomic():
        lock_account(user_id=user.pk)
        told = [
            pool.submit(elsewhere, release_parked),
            pool.submit(elsewhere, book_parked, size=Decimal("0.01"), price=Decimal(60_000)),
            pool.submit(elsewhere, adjust_parked, amount=Decimal(1)),
        ]
        assert [one.result(AT_LAST) for one in told] == [DatabaseBusy] * 3
    release_parked(**asked)
