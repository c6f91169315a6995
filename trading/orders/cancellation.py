"""Cancels orders that rest here: through the order desk where there is one."""

from market.kernel.errors import ExchangeError
from trading.models import Order
from trading.orders.desk import carry_out
from trading.orders.group import Cancel


def cancel_order(*, order: Order) -> Order:
    """Cancel an order that rests here and give back what it reserves. Raises OrderNotOpen."""
    assert order.account.user_id is not None
    outcome = carry_out(Cancel(order.account.user_id, order.pk))
    if isinstance(outcome, ExchangeError):
        raise outcome
    return outcome
