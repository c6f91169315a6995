"""Orders as clients hand them in, and what an earlier order with the same client_order_id got."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import F

from market.kernel.amounts import plain
from market.kernel.errors import ExchangeError
from risk.denials import Denial
from risk.engine import Intent
from trading.errors import ClientOrderIdConflict
from trading.models import OPEN_STATUSES, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a client asks for, under a name of its own (``client_order_id``) or none.

    ``idle_price`` is a price beside a market order, which means nothing, but was asked for.
    """

    intent: Intent
    client_order_id: str | None = None
    idle_price: Decimal | None = None

    @property
    def fingerprint(self) -> str:
        """A digest that is equal for intents that mean the same (0.1 and 0.10, say).

        Empty without a client_order_id: such an order is never compared.
        """
        if self.client_order_id is None:
            return ""
        asked = asdict(self.intent)
        if self.idle_price is not None:
            asked["idle_price"] = self.idle_price
        meant = {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in asked.items()
        }
        return hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placement:
    """An order with its first answer; ``replayed`` when an earlier call placed it."""

    order: Order
    denial: Denial | None = None
    replayed: bool = False


#: What became of a ticket; an error where there is no order of it.
Outcome = Placement | ExchangeError

# One row per ticket: an id for its order, and the earlier order of the same name if there is one;
# and in each row how many orders the account has open.
# Subqueries, since a join would be planned as one pass over all orders of the account; and the
# statuses stand in the text, so that a plan kept for any account knows the partial index.
OPEN_TICKETS: Final = f"""
SELECT nextval('trading_order_id_seq'), (
    SELECT id FROM trading_order
    WHERE account_id = %(account)s AND client_order_id = ticket.client_order_id
), (
    SELECT count(*) FROM trading_order
    WHERE account_id = %(account)s AND status IN ({", ".join(f"'{s}'" for s in OPEN_STATUSES)})
)
FROM unnest(%(names)s::text[]) AS ticket(client_order_id)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class OpenedTickets:
    """An id per ticket, ascending, earlier placements by client_order_id, and open orders."""

    order_ids: list[int]
    earlier: dict[str, Placement]
    open_orders: int


def open_tickets(account_id: int, tickets: Sequence[Ticket]) -> OpenedTickets:
    """Look up what tickets need besides the account's state, in one statement."""
    names = [ticket.client_order_id for ticket in tickets]
    with connection.cursor() as cursor:
        cursor.execute(OPEN_TICKETS, {"names": names, "account": account_id})
        rows = cursor.fetchall()
    earlier_ids = [earlier for _, earlier, _ in rows if earlier is not None]
    return OpenedTickets(
        order_ids=sorted(order_id for order_id, _, _ in rows),
        earlier=earlier_placements(earlier_ids),
        open_orders=rows[0][2] if rows else 0,
    )


def earlier_placements(order_ids: Sequence[int]) -> dict[str, Placement]:
    """Return stored orders with their first answers, by client_order_id."""
    if not order_ids:
        return {}
    orders = Order.objects.select_related("account").filter(pk__in=order_ids)
    return {str(order.client_order_id): first_answer_of(order) for order in orders}


def answer_first(order_id: int) -> Placement:
    """Keep where an order of a venue stands now as what its client is told first, and return it."""
    untold = Order.objects.filter(pk=order_id, accepted_as=OrderStatus.PENDING_NEW)
    untold.update(
        accepted_as=F("status"),
        answered_filled_size=F("filled_size"),
        answered_average_price=F("average_price"),
    )
    return first_answer_of(Order.objects.select_related("account").get(pk=order_id))


def first_answer_of(order: Order) -> Placement:
    """Return the answer that a stored order got when it was placed; in memory only."""
    if order.accepted_as in OPEN_STATUSES:  # What ended it, and why, came later.
        order.reject_code = order.reject_detail = ""
    order.status = order.accepted_as
    order.filled_size = order.answered_filled_size
    order.average_price = order.answered_average_price
    refused = order.status == OrderStatus.REJECTED
    return Placement(order, Denial(order.reject_code, order.reject_detail) if refused else None)


def repeat(earlier: Placement, ticket: Ticket) -> Outcome:
    """Return the first answer again, or a conflict where the name stands for another order."""
    if earlier.order.fingerprint != ticket.fingerprint:
        return ClientOrderIdConflict(order_id=earlier.order.pk)
    return Placement(earlier.order, earlier.denial, replayed=True)
