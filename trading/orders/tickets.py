"""Orders as clients hand them in, and what an earlier order with the same client_order_id got."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.utils import timezone

from market.kernel.amounts import ZERO, plain
from market.kernel.errors import ExchangeError
from risk.denials import Denial
from risk.engine import Intent
from risk.state import MINUTE, Sent
from trading.errors import ClientOrderIdConflict
from trading.models import OPEN_STATUSES, Order, OrderStatus, Side
from trading.orders.sent import SENT, SENT_BEFORE


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
# and in each row how many orders the account has open. Where a control asks, also what the account
# has sent, and when an order equal to the ticket was accepted, one look into an index each.
# Subqueries, since a join would be planned as one pass over all orders of the account; and the
# statuses stand in the text, so that a plan kept for any account knows the partial index. Tickets
# come as JSON: of arrays PostgreSQL counts the elements, and plans anew each time.
OPEN_TICKETS: Final = f"""
WITH ticket AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(tickets)s::json) AS ticket(
        user_id bigint, number integer, client_order_id text,
        symbol text, side text, size numeric, price numeric
    )
), policy AS MATERIALIZED (
    SELECT duplicate_seconds FROM risk_riskpolicy WHERE id = 1
), account AS MATERIALIZED (
    SELECT account.user_id, account.id, (
        SELECT count(*) FROM trading_order AS own WHERE own.account_id = account.id
        AND own.status IN ({", ".join(f"'{s}'" for s in OPEN_STATUSES)})
    ) AS open_orders, duplicate_seconds,
    CASE WHEN max_minute_value IS NOT NULL OR duplicate_seconds > 0 THEN coalesce((
        {SENT}
    ), 0) END AS sent,
    CASE WHEN max_minute_value IS NOT NULL THEN coalesce((
        {SENT_BEFORE}
    ), 0) END AS sent_before
    FROM accounts_account AS account
    JOIN accounts_user AS owner ON owner.id = account.user_id
    LEFT JOIN risk_leveragelimit AS leverage ON leverage.tier = owner.tier
    CROSS JOIN policy
    WHERE account.user_id = ANY(ARRAY(SELECT user_id FROM ticket))
)
SELECT nextval('trading_order_id_seq'), user_id, open_orders, sent, sent - sent_before, CASE
    WHEN duplicate_seconds > 0 THEN (
        SELECT max(own.created_at) FROM trading_order AS own
        WHERE own.account_id = account.id AND own.sent_total IS NOT NULL
        AND own.symbol = ticket.symbol AND own.side = ticket.side AND own.size = ticket.size
        AND coalesce(own.price, 0) = coalesce(ticket.price, 0) AND own.status <> 'REJECTED'
        AND own.created_at > %(minute_ago)s
    ) END, number, (
    SELECT earlier.id FROM trading_order AS earlier WHERE earlier.account_id = account.id
    AND earlier.client_order_id = ticket.client_order_id
)
FROM ticket JOIN account USING (user_id)
"""  # noqa: S608


#: What makes two orders of an account equal: symbol, side, size and limit, None at market.
Twin = tuple[str, bool, Decimal, Decimal | None]


def twin_of(intent: Intent) -> Twin:
    return intent.symbol, intent.is_buy, intent.size, intent.price


@dataclass(slots=True)
class OpenedTickets:
    """Ids, ascending, and by user id: open orders, earlier placements by client_order_id.

    And, where a control asks, what the account has sent and when equal orders were accepted.
    """

    order_ids: Iterator[int]
    open_orders: dict[int, int]
    earlier: defaultdict[int, dict[str, Placement]]
    sent: dict[int, Sent]
    twins: defaultdict[int, dict[Twin, datetime]]


def side_of(intent: Intent) -> Side:
    return Side.BUY if intent.is_buy else Side.SELL


class OpenedRow(NamedTuple):
    """A row of the answer to OPEN_TICKETS."""

    order_id: int
    user_id: int
    open_orders: int
    sent: Decimal | None
    in_minute: Decimal | None
    twin_at: datetime | None
    number: int
    earlier: int | None


def ask_for_tickets(cursor: CursorWrapper, tickets: Sequence[tuple[int, Ticket]]) -> None:
    """Send what tickets, each with its user's id, need besides the accounts' states."""
    asked = [
        {
            "user_id": user_id,
            "number": number,
            "client_order_id": ticket.client_order_id,
            "symbol": ticket.intent.symbol,
            "side": side_of(ticket.intent),
            "size": ticket.intent.size,
            "price": ticket.intent.price,
        }
        for number, (user_id, ticket) in enumerate(tickets)
    ]
    parameters: dict[str, Any] = {
        "tickets": json.dumps(asked, default=str),
        "minute_ago": timezone.now() - MINUTE,
    }
    cursor.execute(OPEN_TICKETS, parameters)


def opened_in(cursor: CursorWrapper, tickets: Sequence[tuple[int, Ticket]]) -> OpenedTickets:
    """Return what the answer says; where names are known, their orders are read as well."""
    rows = [OpenedRow._make(row) for row in cursor.fetchall()]
    twins: defaultdict[int, dict[Twin, datetime]] = defaultdict(dict)
    for row in rows:
        if row.twin_at is not None:
            twins[row.user_id][twin_of(tickets[row.number][1].intent)] = row.twin_at
    return OpenedTickets(
        order_ids=iter(sorted(row.order_id for row in rows)),
        open_orders={row.user_id: row.open_orders for row in rows},
        earlier=earlier_placements([row.earlier for row in rows if row.earlier is not None]),
        sent={
            row.user_id: Sent(row.in_minute or ZERO, row.sent)
            for row in rows
            if row.sent is not None
        },
        twins=twins,
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
