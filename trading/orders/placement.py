"""Places orders on the simulated venue: through the order desk where there is one."""

from collections.abc import Sequence

from trading.metrics import count_order, order_latency_seconds
from trading.orders.desk import carry_out
from trading.orders.group import Place
from trading.orders.tickets import Outcome, Placement, Ticket


def place_orders(*, user_id: int, tickets: Sequence[Ticket]) -> list[Outcome]:
    """Place orders of a user on the simulated venue, one after the other in one transaction.

    Each order sees what those before it did and has an outcome of its own; one that is refused
    does not stop the others. Raises AccountNotFound.
    """
    with order_latency_seconds.time():
        outcomes = carry_out(Place(user_id, tickets))
    for outcome in outcomes:
        if isinstance(outcome, Placement) and not outcome.replayed:
            count_order(outcome.order)
    return outcomes
