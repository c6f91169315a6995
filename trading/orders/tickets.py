"""Orders as clients hand them in, and what an earlier order with the same client_order_id got."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final

from django.db.backends.utils import CursorWrapper
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
        if not self.intent.closes:
            del asked["closes"]  # as before there was such an order
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
# statuses stand in the text, so that a plan kept for any account knows the partial index. Tickets
# come as JSON: of arrays PostgreSQL counts the elements, and plans anew each time.
OPEN_TICKETS: Final = f"""
WITH ticket AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(tickets)s::json)
        AS ticket(user_id bigint, client_order_id text)
), account AS MATERIALIZED (
    SELECT user_id, id, (
        SELECT count(*) FROM trading_order AS own WHERE own.account_id = account.id
        AND own.status IN ({", ".join(f"'{s}'" for s in OPEN_STATUSES)})
    ) AS open_orders
    FROM accounts_account AS account WHERE user_id = ANY(ARRAY(SELECT user_id FROM ticket))
)
SELECT nextval('trading_order_id_seq'), user_id, open_orders, (
    SELECT earlier.id FROM trading_order AS earlier WHERE earlier.account_id = account.id
    AND earlier.client_order_id = ticket.client_order_id
)
FROM ticket JOIN account USING (user_id)
"""  # noqa: S608


@dataclass(slots=True)
class OpenedTickets:
    """Ids, ascending, and by user id: open orders, earlier placements by client_order_id."""

    order_ids: Iterator[int]
    open_orders: dict[int, int]
    earlier: defaultdict[int, dict[str, Placement]]


def ask_for_tickets(cursor: CursorWrapper, tickets: Sequence[tuple[int, Ticket]]) -> None:
    """Send what tickets, each with its user's id, need besides the accounts' states."""
    asked = [
        {"user_id": user_id, "client_order_id": ticket.client_order_id}
        for user_id, ticket in tickets
    ]
    cursor.execute(OPEN_TICKETS, {"tickets": json.dumps(asked)})


def opened_in(cursor: CursorWrapper) -> OpenedTickets:
    """Return what the answer says; where names are known, their orders are read as well."""
    rows = cursor.fetchall()
    return OpenedTickets(
        order_ids=iter(sorted(order_id for order_id, *_ in rows)),
        open_orders={user_id: open_orders for _, user_id, open_orders, _ in rows},
        earlier=earlier_placements([earlier for *_, earlier in rows if earlier is not None]),
    )


def earlier_placements(order_ids: Sequence[int]) -> defaultdict[int, dict[str, Placement]]:
    """Return stored orders with their first answers, by user id and client_order_id."""
    placements: defaultdict[int, dict[str, Placement]] = defaultdict(dict)
    if order_ids:
        for order in Order.objects.select_related("account").filter(pk__in=order_ids):
            own = placements[order.account.user_id]  # type: ignore[index]
            own[str(order.client_order_id)] = first_answer_of(order)
    return placements


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
