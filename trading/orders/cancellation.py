"""Cancels orders and gives back what they reserve."""

from django.db import transaction
from django.utils import timezone

from accounts.locks import lock_account
from risk.selectors import read_risk_state
from trading.booking.changes import AccountChanges
from trading.booking.retrying import until_mark_holds
from trading.booking.writing import write
from trading.errors import OrderNotOpen
from trading.models import OPEN_STATUSES, Order, OrderStatus


def cancel_order(*, order: Order) -> Order:
    """Cancel an order that rests here. Raises OrderNotOpen."""
    return end_order(order=order, status=OrderStatus.CANCELED)


@until_mark_holds
@transaction.atomic
def end_order(
    *, order: Order, status: OrderStatus, reject_code: str = "", reject_detail: str = ""
) -> Order:
    """End an open order with ``status`` under its account's lock. Raises OrderNotOpen."""
    assert order.account.user_id is not None
    account_id = lock_account(user_id=order.account.user_id)
    order = Order.objects.select_related("account").get(pk=order.pk)
    if order.status not in OPEN_STATUSES:
        raise OrderNotOpen(order_id=order.pk, status=order.status)
    changes = AccountChanges(read_risk_state(account_id=account_id).account, timezone.now())
    changes.change_order(order)
    changes.release(order)
    order.status, order.reject_code, order.reject_detail = status, reject_code, reject_detail
    write(changes)
    return order
