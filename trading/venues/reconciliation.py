"""Keeps orders at Binance Spot Testnet in step: those left pending, and those filled since.

Orders that ended are asked about for a while longer: one that the venue goes on with all the same
is canceled there, and what it filled is parked.
"""

from datetime import timedelta
from itertools import chain
from typing import Final

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from market.binance.client import BinanceClient
from market.binance.errors import CancelRejected, NoSuchOrder, VenueError
from market.kernel.locks import is_lock_timeout
from trading.booking.isolation import Isolation
from trading.models import MAY_BE_AT_VENUE, OPEN_STATUSES, Order, Venue
from trading.venues.connection import has_credentials, venue_client, venue_order_id
from trading.venues.orders import all_fills, refresh
from trading.venues.parking import IS_PARKED
from trading.venues.settlement import settle
from trading.venues.verification import GOING_ON

log = structlog.get_logger(__name__)

#: Seconds that a run takes at most, so that it is over before the next one begins.
RUN_FOR: Final = 10
#: The most orders that one run asks for, of those that are open and of those that have ended. The
#: venue counts up to 9 for an order, and refuses all requests beyond 6,000 a minute.
MOST_OPEN: Final = 100
MOST_ENDED: Final = 5
#: So many of either a run gets through in any case.
FEW: Final = 5
#: So many unanswered questions in a row mean that the venue is not reached.
MOST_UNANSWERED: Final = 3
#: How long an order that has ended is asked about.
WATCHED_FOR: Final = timedelta(hours=1)


def reconcile_pending_orders() -> int:
    """Ask the venue for orders that are open here, or may be there; return how many changed.

    Harmless to repeat, also while an order is being placed.
    """
    orders = list(chain(ended_orders(), open_orders()))
    if not orders or not has_credentials():
        return 0
    client, changed, unanswered, isolation = venue_client(), 0, 0, Isolation()
    deadline = client.deadline_in(RUN_FOR)
    for order in orders:
        try:
            changed += reconcile(client, order, deadline, isolation.patience)
            unanswered = 0
        except VenueError as error:
            log.warning("reconciliation_failed", order_id=order.pk, reason=error.code)
            # Not reached, in a pause that the venue asked for, or out of time: so are the others.
            unanswered += error.http_status is None
            if unanswered == MOST_UNANSWERED:
                break
        except Exception as error:
            isolation.note(error)
            if is_lock_timeout(error):
                log.warning("reconciliation_failed", order_id=order.pk, reason="locked")
            else:
                log.exception("reconciliation_failed", order_id=order.pk)
    return changed


def open_orders() -> QuerySet[Order]:
    """Return open orders, those of an unknown fate (PENDING_NEW) first."""
    orders = Order.objects.filter(venue=Venue.BINANCE_TESTNET, status__in=OPEN_STATUSES)
    return drawn(orders, MOST_OPEN, "-status")


def ended_orders() -> QuerySet[Order]:
    """Return orders that ended a short while ago with less than they asked for."""
    since = timezone.now() - WATCHED_FOR
    orders = Order.objects.filter(MAY_BE_AT_VENUE, updated_at__gt=since)
    return drawn(orders, MOST_ENDED)


def drawn(orders: QuerySet[Order], most: int, *first: str) -> QuerySet[Order]:
    """Return those that are not parked; of more than a few by lot, so that each gets its turn."""
    orders = orders.select_related("account").filter(~IS_PARKED)
    return orders.order_by(*first, "?" if orders[FEW:].exists() else "id")[:most]


def reconcile(client: BinanceClient, order: Order, deadline: float, patience: float) -> bool:
    """Bring one order in step and tell whether that changed it."""
    if order.status not in OPEN_STATUSES:
        look_for_ended(client, order, deadline, patience)
        return False
    before = (order.status, order.filled_size)
    after = refresh(client, order, deadline=deadline, patience=patience)
    return (after.status, after.filled_size) != before


def look_for_ended(client: BinanceClient, order: Order, deadline: float, patience: float) -> None:
    """Cancel an order that has ended here where the venue has it, and park what it filled."""
    name, symbol = venue_order_id(order), order.symbol
    try:
        result = client.get_order(symbol=symbol, client_order_id=name, deadline=deadline)
        if result.status in GOING_ON:
            log.warning("ended_order_at_venue", order_id=order.pk, status=result.status)
            result = client.cancel_order(symbol=symbol, client_order_id=name, deadline=deadline)
    except (NoSuchOrder, CancelRejected):
        return
    fills = all_fills(client, order, result, deadline=deadline)
    settle(order=order, result=result, fills=fills, patience=patience)
