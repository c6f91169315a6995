"""Places orders: lock the account, read once, decide, write once."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.locks import lock_account
from accounts.models import Account
from market.amounts import ZERO
from risk.denials import Denial, deny
from risk.engine import Approval, Intent, check_order
from risk.selectors import read_risk_state
from risk.state import RiskState
from trading.book import Book
from trading.booking import GlobalExposureExceeded, next_ids, write
from trading.errors import ClientOrderIdConflict
from trading.metrics import count_order, order_latency_seconds
from trading.models import Order, OrderStatus, OrderType, Side, Venue
from trading.retrying import until_mark_holds


@dataclass(frozen=True, slots=True)
class Placement:
    """An order with its first answer; ``replayed`` when it was placed by an earlier call."""

    order: Order
    denial: Denial | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """How orders of a venue are taken in: their first status and the check that they must pass."""

    venue: Venue
    first_status: OrderStatus
    check: Callable[[Intent, RiskState, datetime], Approval | Denial]


SIMULATED: Final = Desk(Venue.SIMULATED, OrderStatus.NEW, check_order)


def place_order(*, user_id: int, intent: Intent, client_order_id: str | None = None) -> Placement:
    """Place an order for a user on the simulated venue.

    A refused order is returned, stored as REJECTED with its code, not raised. The same
    ``client_order_id`` with the same intent returns the first answer. Raises AccountNotFound,
    ClientOrderIdConflict.
    """
    with order_latency_seconds.time():
        placement = decide_until_booked(SIMULATED, user_id, intent, client_order_id)
    if not placement.replayed:
        count_order(placement.order)
    return placement


def decide_until_booked(
    desk: Desk, user_id: int, intent: Intent, client_order_id: str | None
) -> Placement:
    """Decide and book; where the global threshold holds the order back, store that instead."""
    try:
        return decide_and_book(desk, user_id, intent, client_order_id)
    except GlobalExposureExceeded:
        refusal = deny("global_exposure_exceeded")
        return decide_and_book(desk, user_id, intent, client_order_id, refusal)


@until_mark_holds
@transaction.atomic
def decide_and_book(
    desk: Desk,
    user_id: int,
    intent: Intent,
    client_order_id: str | None,
    refusal: Denial | None = None,
) -> Placement:
    """Decide on an order under its account's lock and write the outcome.

    ``refusal`` is set when an attempt was held back by the global threshold.
    """
    account_id = lock_account(user_id=user_id)
    if client_order_id is not None:
        earlier = find_earlier(account_id, client_order_id, intent)
        if earlier is not None:
            return earlier
    now = timezone.now()
    state = read_risk_state(account_id=account_id, symbol=intent.symbol)
    decision = refusal or desk.check(intent, state, now)
    order = new_order(intent, state, client_order_id, now)
    order.venue, order.status = desk.venue, desk.first_status
    if isinstance(decision, Denial):
        return reject(order, decision)
    book_approved(order, decision, state, now)
    return Placement(order)


def reject(order: Order, denial: Denial) -> Placement:
    """Store a refused order with its code: a denial is a recorded fact."""
    order.status = order.accepted_as = OrderStatus.REJECTED
    order.reject_code, order.reject_detail = denial.code, denial.detail
    order.save(force_insert=True)
    return Placement(order, denial)


def book_approved(order: Order, approval: Approval, state: RiskState, now: datetime) -> None:
    """Write an approved order with what it did at once or reserves."""
    assert state.instrument is not None
    assert state.instrument.mark_price is not None
    book, mark_price = Book(state.account, now), state.instrument.mark_price
    [order.pk] = next_ids(Order, 1)
    order.leverage = approval.leverage
    order.required_margin = approval.required_margin
    order.reserved_margin = approval.reserved_margin
    order.reserved_notional = approval.reserved_notional
    order.user_exposure_after = approval.user_exposure_after
    book.add_order(order)
    if approval.execution:
        book.fill(order, approval.execution, mark_price)
    else:
        book.expose(state.instrument.id, mark_price, approval.change)
    order.accepted_as = order.status
    order.global_exposure_after = write(
        book, opens=approval.opens, threshold=state.limits.global_exposure_threshold
    )


def new_order(
    intent: Intent, state: RiskState, client_order_id: str | None, now: datetime
) -> Order:
    """Return an order as asked for, neither accepted nor refused."""
    return Order(
        account=Account(id=state.account.account_id, user_id=state.account.user_id),
        instrument_id=state.instrument.id if state.instrument else None,
        symbol=intent.symbol,
        client_order_id=client_order_id,
        fingerprint=fingerprint(intent) if client_order_id is not None else "",
        side=Side.BUY if intent.is_buy else Side.SELL,
        type=OrderType.MARKET if intent.price is None else OrderType.LIMIT,
        size=intent.size,
        price=intent.price,
        leverage=intent.leverage,
        reduce_only=intent.reduce_only,
        filled_size=ZERO,
        required_margin=ZERO,
        reserved_margin=ZERO,
        reserved_notional=ZERO,
        created_at=now,
        updated_at=now,
    )


def find_earlier(account_id: int, client_order_id: str, intent: Intent) -> Placement | None:
    """Return the placement that a ``client_order_id`` stands for already.

    Raises ClientOrderIdConflict where it was used for something else.
    """
    orders = Order.objects.select_related("account")
    order = orders.filter(account_id=account_id, client_order_id=client_order_id).first()
    if order is None:
        return None
    if order.fingerprint != fingerprint(intent):
        raise ClientOrderIdConflict(order_id=order.pk)
    refused = order.status == OrderStatus.REJECTED
    denial = Denial(order.reject_code, order.reject_detail) if refused else None
    return Placement(as_first_answered(order), denial, replayed=True)


def as_first_answered(order: Order) -> Order:
    """Return an order as it was when it was accepted, in memory only."""
    if order.accepted_as in {OrderStatus.NEW, OrderStatus.PENDING_NEW}:
        order.filled_size, order.average_price = ZERO, None
    order.status = order.accepted_as
    return order


def fingerprint(intent: Intent) -> str:
    """Return a digest that is equal for intents that mean the same (0.1 and 0.10, say)."""
    plain = {
        name: f"{value.normalize():f}" if isinstance(value, Decimal) else value
        for name, value in asdict(intent).items()
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
