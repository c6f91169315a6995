"""What tickets are decided by besides their accounts' states, read in one statement."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from market.kernel.amounts import ZERO
from risk.state import MINUTE, Sent
from risk.throttle import Filled
from trading.booking.throttle import EARLIER, LATEST
from trading.models import OPEN_STATUSES, Order
from trading.orders.sent import SENT, SENT_BEFORE
from trading.orders.tickets import Placement, Ticket, Twin, first_answer_of, side_of, twin_of

# One row per ticket: an id for its order, and the earlier order of the same name if there is one;
# and in each row how many orders the account has open. Where a control asks, also what the account
# has sent, and when an order equal to the ticket was accepted, one look into an index each; and of
# the throttle the account's latest fill, and when the one came that a fill of its nth ticket may
# come too soon after.
# Subqueries, since a join would be planned as one pass over all orders of the account; and the
# statuses stand in the text, so that a plan kept for any account knows the partial index. Tickets
# come as JSON: of arrays PostgreSQL counts the elements, and plans anew each time.
OPEN_TICKETS: Final = f"""
WITH ticket AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(tickets)s::json) AS ticket(
        user_id bigint, number integer, nth integer, client_order_id text,
        symbol text, side text, size numeric, price numeric
    )
), policy AS MATERIALIZED (
    SELECT duplicate_seconds, max_fills FROM risk_riskpolicy WHERE id = 1
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
    ), 0) END AS sent_before,
    account.fills_before, max_fills, CASE WHEN max_fills > 0 THEN coalesce(({LATEST}
    ), 0) END AS filled
    FROM accounts_account AS account
    JOIN accounts_user AS owner ON owner.id = account.user_id
    LEFT JOIN risk_leveragelimit AS leverage ON leverage.tier = owner.tier
    CROSS JOIN policy
    WHERE account.user_id = ANY(ARRAY(SELECT user_id FROM ticket))
)
SELECT nextval('trading_order_id_seq'), user_id, open_orders, sent,
    sent - sent_before AS in_minute, CASE
    WHEN duplicate_seconds > 0 THEN (
        SELECT max(own.created_at) FROM trading_order AS own
        WHERE own.account_id = account.id AND own.sent_total IS NOT NULL
        AND own.symbol = ticket.symbol AND own.side = ticket.side AND own.size = ticket.size
        AND coalesce(own.price, 0) = coalesce(ticket.price, 0) AND own.status <> 'REJECTED'
        AND own.created_at > %(minute_ago)s
    ) END, number, (
    SELECT earlier.id FROM trading_order AS earlier WHERE earlier.account_id = account.id
    AND earlier.client_order_id = ticket.client_order_id
), filled, max_fills, CASE WHEN max_fills > 0 THEN ({EARLIER}
) END
FROM ticket JOIN account USING (user_id)
"""  # noqa: S608


@dataclass(slots=True)
class OpenedTickets:
    """Ids, ascending, and by user id: open orders, earlier placements by client_order_id.

    And, where a control asks, what the account has sent, when equal orders were accepted, and what
    counted of its fills.
    """

    order_ids: Iterator[int]
    open_orders: dict[int, int]
    earlier: defaultdict[int, dict[str, Placement]]
    sent: dict[int, Sent]
    twins: defaultdict[int, dict[Twin, datetime]]
    filled: dict[int, Filled]


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
    filled: int | None
    max_fills: int
    filled_at: datetime | None


def ask_for_tickets(cursor: CursorWrapper, tickets: Sequence[tuple[int, Ticket]]) -> None:
    """Send what tickets, each with its user's id, need besides the accounts' states."""
    nth: defaultdict[int, Iterator[int]] = defaultdict(lambda: count(1))
    asked = [
        {
            "user_id": user_id,
            "number": number,
            "nth": next(nth[user_id]),
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
        filled=filled_in(rows),
    )


def filled_in(rows: Sequence[OpenedRow]) -> dict[int, Filled]:
    """Return what counted of the fills of each user's account, where the throttle is on."""
    earlier: defaultdict[int, list[datetime | None]] = defaultdict(list)
    counted: dict[int, Filled] = {}
    for row in sorted(rows, key=attrgetter("number")):
        if row.filled is not None:
            earlier[row.user_id].append(row.filled_at)
            counted[row.user_id] = Filled(row.filled, row.max_fills, earlier[row.user_id])
    return counted


def earlier_placements(order_ids: Sequence[int]) -> defaultdict[int, dict[str, Placement]]:
    """Return stored orders with their first answers, by user id and client_order_id."""
    placements: defaultdict[int, dict[str, Placement]] = defaultdict(dict)
    if order_ids:
        for order in Order.objects.select_related("account").filter(pk__in=order_ids):
            own = placements[order.account.user_id]  # type: ignore[index]
            own[str(order.client_order_id)] = first_answer_of(order)
    return placements
