"""Books what the venue says about an order: its fills, what it still reserves, its status.

What the venue filled is a fact and is booked whatever the limits say now. Only what is not booked
yet is booked, under the account's lock: to settle twice changes nothing.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.locks import lock_account
from market.binance.answers import Fill, OrderResult
from risk.denials import Denial
from risk.execution import execute
from risk.margin import share
from risk.selectors import read_risk_state
from trading.book import Book
from trading.booking import write
from trading.deficit import InsuranceFund
from trading.models import OPEN_STATUSES, Order, OrderStatus, Side
from trading.retrying import until_mark_holds
from trading.venues.denials import VENUE_EXPIRED

#: How the venue ends orders; what is not listed goes on.
ENDINGS: Final = {
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.EXPIRED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
}
LONGEST_DETAIL: Final = 200


@until_mark_holds
@transaction.atomic
def settle(*, order: Order, result: OrderResult, fills: Sequence[Fill]) -> Order:
    """Bring an order to where it is at the venue and return it."""
    order, book = lock_order(order)
    if order.status not in OPEN_STATUSES:
        return order
    new_fills = list(unbooked(order, fills))
    filled_size = sum((size for _, size in new_fills), order.filled_size)
    status = status_of(result, filled_size)
    if not new_fills and status == order.status:
        return order
    left = order.size - order.filled_size
    book.change_order(order)
    for price, size in new_fills:
        book_fill(book, order, price, size)
    order.status = status
    keep_reserved(book, order, left)
    InsuranceFund().cover_deficit(book, order)
    if order.status == OrderStatus.EXPIRED:
        explain(order, Denial(VENUE_EXPIRED, f"The venue ended the order as {result.status}."))
    write(book)
    return order


@until_mark_holds
@transaction.atomic
def end_absent(*, order: Order, status: OrderStatus, denial: Denial) -> Order:
    """End an order that is not at the venue, and return it."""
    order, book = lock_order(order)
    if order.status not in OPEN_STATUSES:
        return order
    book.change_order(order)
    book.release(order)
    order.status = status
    explain(order, denial)
    write(book)
    return order


def lock_order(order: Order) -> tuple[Order, Book]:
    """Lock an order's account and return the order as it is now, with the account's book."""
    assert order.account.user_id is not None
    account_id = lock_account(user_id=order.account.user_id)
    fresh = Order.objects.select_related("account", "instrument").get(pk=order.pk)
    return fresh, Book(read_risk_state(account_id=account_id).account, timezone.now())


def unbooked(order: Order, fills: Sequence[Fill]) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield (price, size) of what was filled beyond the order's filled size, the oldest first."""
    booked = order.filled_size
    for fill in sorted(fills, key=lambda fill: fill.trade_id):
        known = min(booked, fill.quantity)
        booked -= known
        if fill.quantity > known:
            yield fill.price, fill.quantity - known


def book_fill(book: Book, order: Order, price: Decimal, size: Decimal) -> None:
    """Book one fill; what filled with the placement took liquidity, what came later gave it."""
    instrument = order.instrument
    assert instrument is not None
    assert instrument.mark_price is not None
    assert order.leverage is not None
    took = order.status == OrderStatus.PENDING_NEW
    execution = execute(
        book.state.holding(instrument.pk),
        size if order.side == Side.BUY else -size,
        price=price,
        leverage=order.leverage,
        fee_rate=instrument.taker_fee_rate if took else instrument.maker_fee_rate,
        reduce_only=False,
    )
    status = order.status
    book.fill(order, execution, instrument.mark_price)
    order.status = status


def status_of(result: OrderResult, filled_size: Decimal) -> OrderStatus:
    """Return the status for what the venue says; open until all that it filled is booked."""
    ending = ENDINGS.get(result.status)
    if ending is not None and filled_size >= result.executed_quantity:
        return ending
    return OrderStatus.PARTIALLY_FILLED if filled_size else OrderStatus.NEW


def keep_reserved(book: Book, order: Order, left_before: Decimal) -> None:
    """Keep the share of the reservation that belongs to what is still open."""
    if order.status not in OPEN_STATUSES:
        book.release(order)
        return
    left = order.size - order.filled_size
    book.release(
        order,
        margin=share(order.reserved_margin, left, left_before),
        notional=share(order.reserved_notional, left, left_before),
    )


def explain(order: Order, denial: Denial) -> None:
    order.reject_code, order.reject_detail = denial.code, denial.detail[:LONGEST_DETAIL]
