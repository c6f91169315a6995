"""Books what the venue says about an order: its fills, what it still reserves, its status.

What the venue filled within the order is a fact and is booked whatever the limits say now; what
does not fit the order is parked for staff. Only what is not booked yet is booked, under the
account's lock: to settle twice changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import DataError, IntegrityError, InternalError, transaction
from django.utils import timezone

from accounts.locks import lock_account
from market.binance.answers import Fill, OrderResult
from market.kernel.locks import limit_lock_waits
from risk.denials import Denial
from risk.execution import execute
from risk.margin import share
from risk.selectors import price_collar, read_risk_state
from trading.booking.changes import AccountChanges
from trading.booking.retrying import until_mark_holds
from trading.booking.throttle import read_throttles
from trading.booking.writing import write
from trading.liquidation.insurance import InsuranceFund
from trading.models import OPEN_STATUSES, Order, OrderStatus, OrderType, Side
from trading.venue_denials import VENUE_EXPIRED
from trading.venues.connection import venue_order_id
from trading.venues.parking import is_parked, park, park_late_fill
from trading.venues.verification import ENDINGS, Answer, Asked, complaint_about

#: What the database or the arithmetic refuses although it fits the order.
UNBOOKABLE: Final = (ArithmeticError, DataError, IntegrityError, InternalError)
LONGEST_DETAIL: Final = 200
#: How long a settlement waits for its account, and for each other locked row, in seconds.
PATIENCE: Final = 5.0


def settle(
    *, order: Order, result: OrderResult, fills: Sequence[Fill], patience: float = PATIENCE
) -> Order:
    """Bring an order to where it is at the venue and return it; park what does not fit it.

    Raises the database's error of a lock that was waited for in vain, so many seconds: then nothing
    is booked, and whoever asks the venue again books it.
    """
    answer = Answer(result, fills)
    try:
        return settle_or_park(order, answer, patience)
    except UNBOOKABLE as error:
        return settle_or_park(order, answer, patience, complaint=f"It cannot be booked: {error}")


@until_mark_holds
@transaction.atomic
def settle_or_park(order: Order, answer: Answer, patience: float, *, complaint: str = "") -> Order:
    order, changes = lock_order(order, patience, fills=len(answer.fills))
    if order.status not in OPEN_STATUSES:
        park_late_fill(order, answer)
        return order
    if is_parked(order):
        return order
    complaint = complaint or complaint_about(answer, asked_of(order, changes.now))
    if complaint:
        park(order, answer, complaint)
        return order
    book_answer(changes, order, answer)
    return order


def asked_of(order: Order, now: datetime) -> Asked:
    """Return what an answer about an order is held against."""
    assert order.instrument is not None
    assert order.instrument.mark_price is not None
    return Asked(
        symbol=order.symbol,
        client_order_id=venue_order_id(order),
        side=Side(order.side),
        type=OrderType(order.type),
        size=order.size,
        limit=order.price,
        booked=order.filled_size,
        unchanged_for=now - order.updated_at,
        mark=order.instrument.mark_price,
        collar=price_collar(instrument=order.instrument),
    )


def book_answer(changes: AccountChanges, order: Order, answer: Answer) -> None:
    """Book what is new in an answer that fits its order."""
    new_fills = list(answer.unbooked(order.filled_size))
    filled_size = sum((size for _, size in new_fills), order.filled_size)
    status = status_of(order, answer.result, filled_size)
    if not new_fills and status == order.status:
        return
    left = order.size - order.filled_size
    changes.change_order(order)
    for price, size in new_fills:
        book_fill(changes, order, price, size)
    order.status = status
    keep_reserved(changes, order, left)
    InsuranceFund().cover_deficit(changes, order)
    if order.status == OrderStatus.EXPIRED:
        explain(
            order, Denial(VENUE_EXPIRED, f"The venue ended the order as {answer.result.status}.")
        )
    write(changes)


@until_mark_holds
@transaction.atomic
def end_absent(
    *, order: Order, status: OrderStatus, denial: Denial, patience: float = PATIENCE
) -> Order:
    """End an order that is not at the venue, and return it. Raises as ``settle`` does."""
    order, changes = lock_order(order, patience, fills=0)
    if order.status not in OPEN_STATUSES or is_parked(order):
        return order
    changes.change_order(order)
    changes.release(order)
    order.status = status
    explain(order, denial)
    write(changes)
    return order


def lock_order(order: Order, patience: float, *, fills: int) -> tuple[Order, AccountChanges]:
    """Lock an order's account and return the order as it is now, with the account's changes.

    It waits ``patience`` seconds for that, and for any other row until the transaction ends. Of the
    order so many ``fills`` may be booked at most.
    """
    assert order.account.user_id is not None
    limit_lock_waits(seconds=patience)
    account_id = lock_account(user_id=order.account.user_id)
    fresh = Order.objects.select_related("account", "instrument").get(pk=order.pk)
    snapshot, now = read_risk_state(account_id=account_id), timezone.now()
    throttles = read_throttles([snapshot], fills={account_id: fills})
    return fresh, AccountChanges(snapshot.account, now, throttle=throttles.get(account_id))


def book_fill(changes: AccountChanges, order: Order, price: Decimal, size: Decimal) -> None:
    """Book one fill; what filled with the placement took liquidity, what came later gave it."""
    instrument = order.instrument
    assert instrument is not None
    assert instrument.mark_price is not None
    assert order.leverage is not None
    took = order.status == OrderStatus.PENDING_NEW
    execution = execute(
        changes.state.holding(instrument.pk),
        size if order.side == Side.BUY else -size,
        price=price,
        leverage=order.leverage,
        fee_rate=instrument.taker_fee_rate if took else instrument.maker_fee_rate,
        reduce_only=False,
    )
    status = order.status
    changes.fill(order, execution, instrument.mark_price)
    order.status = status


def status_of(order: Order, result: OrderResult, filled_size: Decimal) -> OrderStatus:
    """Return the status for what the venue says; open until all that it filled is booked.

    What filled with the placement and is not listed yet leaves the order pending: it took
    liquidity, whenever it is booked.
    """
    listed = filled_size >= result.executed_quantity
    ending = ENDINGS.get(result.status)
    if ending is not None and listed:
        return ending
    if filled_size:
        return OrderStatus.PARTIALLY_FILLED
    return OrderStatus.NEW if listed else OrderStatus(order.status)


def keep_reserved(changes: AccountChanges, order: Order, left_before: Decimal) -> None:
    """Keep the share of the reservation that belongs to what is still open."""
    if order.status not in OPEN_STATUSES:
        changes.release(order)
        return
    left = order.size - order.filled_size
    changes.release(
        order,
        margin=share(order.reserved_margin, left, left_before),
        notional=share(order.reserved_notional, left, left_before),
    )


def explain(order: Order, denial: Denial) -> None:
    order.reject_code, order.reject_detail = denial.code, denial.detail[:LONGEST_DETAIL]
