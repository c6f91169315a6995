"""Fills resting limit orders whose price a market step has reached, at their limit price.

Chunk by chunk, each of one account and in a transaction of its own: what fails is logged and left
to the next step, and keeps no other order waiting.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.locks import lock_account
from risk.denials import Denial, deny
from risk.execution import Execution, can_settle, execute, reducible_size
from risk.selectors import read_risk_state
from risk.state import AccountState
from trading.book import Book
from trading.booking import write
from trading.models import Order, OrderStatus, Side
from trading.retrying import until_mark_holds

log = structlog.get_logger(__name__)

#: Orders that fill in one transaction: more save round trips, fewer keep their account less long.
CHUNK: Final = 100


@dataclass(slots=True)
class Fills:
    """The orders that ended, and the users some of whose orders are left to the next step."""

    ended: list[Order] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)


def triggered_orders() -> QuerySet[Order]:
    """Resting orders that a market step has reached and nobody has filled yet."""
    return Order.objects.filter(
        status__in=[OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED], triggered_at__isnull=False
    )


def fill_triggered_orders() -> Fills:
    """Fill every reached order, chunk by chunk; one that fails holds up no other."""
    fills = Fills()
    for user_id, order_ids in chunks_of_triggered_orders():
        try:
            fills.ended += fill_orders_of(user_id=user_id, order_ids=order_ids)
        except Exception:
            log.exception("fills_failed", user_id=user_id, orders=len(order_ids))
            fills.unfinished.add(user_id)
    return fills


def chunks_of_triggered_orders() -> Iterator[tuple[int, list[int]]]:
    """Yield (user id, ids of reached orders): the first chunk of every account, then the second.

    So no account waits for one that has more orders than a chunk.
    """
    own: defaultdict[int, list[int]] = defaultdict(list)
    rows = triggered_orders().order_by("account_id", "id").values_list("account__user_id", "id")
    for user_id, order_id in rows:
        assert user_id is not None
        own[user_id].append(order_id)
    longest = max(map(len, own.values()), default=0)
    for start in range(0, longest, CHUNK):
        for user_id, order_ids in own.items():
            if chunk := order_ids[start : start + CHUNK]:
                yield user_id, chunk


@until_mark_holds
@transaction.atomic
def fill_orders_of(*, user_id: int, order_ids: Collection[int]) -> list[Order]:
    """Fill reached orders of one account in the order in which they were accepted."""
    account_id = lock_account(user_id=user_id)
    book = Book(read_risk_state(account_id=account_id).account, timezone.now())
    orders = list(
        triggered_orders()
        .filter(account_id=account_id, pk__in=order_ids)
        .select_related("instrument")
        .order_by("id")
    )
    for order in orders:
        book.change_order(order)
        book.release(order)
        fill_or_expire(book, order)
    if orders:
        write(book)
    return orders


def fill_or_expire(book: Book, order: Order) -> None:
    """Fill an order that has given its reservation back; end it where it can't be filled."""
    assert order.instrument is not None
    assert order.instrument.mark_price is not None
    outcome = execution_of(book.state, order)
    if isinstance(outcome, Denial):
        order.status = OrderStatus.EXPIRED
        order.reject_code, order.reject_detail = outcome.code, outcome.detail
    else:
        book.fill(order, outcome, order.instrument.mark_price)


def execution_of(account: AccountState, order: Order) -> Execution | Denial:
    """Return the fill of a reached order, or why there can be none any more."""
    assert order.instrument is not None
    assert order.price is not None
    assert order.leverage is not None
    holding = account.holding(order.instrument.pk)
    left = order.size - order.filled_size
    size = left if order.side == Side.BUY else -left
    if order.reduce_only and reducible_size(holding, size) == 0:
        return deny("reduce_only_rejected")
    execution = execute(
        holding,
        size,
        price=order.price,
        leverage=order.leverage,
        fee_rate=order.instrument.maker_fee_rate,
        reduce_only=order.reduce_only,
    )
    return execution if can_settle(account, execution) else deny("insufficient_margin")
