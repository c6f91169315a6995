"""Cancels orders that rest here: through the order desk where there is one."""

from collections.abc import Sequence
from typing import Final

from market.kernel.errors import ExchangeError
from trading.models import Order
from trading.orders.desk import carry_out
from trading.orders.group import Cancel

#: Orders that end in one transaction: more of them would hold their account for longer.
MOST_AT_ONCE: Final = 500


def cancel_order(*, order: Order) -> Order:
    """Cancel an order that rests here and give back what it reserves. Raises OrderNotOpen."""
    assert order.account.user_id is not None
    [outcome] = carry_out(Cancel(order.account.user_id, [order.pk]))
    if isinstance(outcome, ExchangeError):
        raise outcome
    return outcome


def cancel_orders(*, user_id: int, order_ids: Sequence[int]) -> list[int]:
    """Cancel orders of a user that rest here and return the ids of those that were open still.

    All of them in one transaction, or MOST_AT_ONCE and then the next ones.
    """
    canceled: list[int] = []
    for start in range(0, len(order_ids), MOST_AT_ONCE):
        outcomes = carry_out(Cancel(user_id, order_ids[start : start + MOST_AT_ONCE]))
        canceled += [outcome.pk for outcome in outcomes if isinstance(outcome, Order)]
    return canceled
