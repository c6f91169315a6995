"""Keeps orders at Binance Spot Testnet in step: those left pending, and those filled since.

Orders that ended here without the venue's word are asked about for a while longer: what the venue
took in all the same is canceled there, and what it filled is parked.
"""

from datetime import timedelta
from itertools import chain
from typing import Final

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from market.binance.client import BinanceClient
from market.binance.errors import CancelRejected, NoSuchOrder, VenueError
from trading.models import OPEN_STATUSES, Order, OrderStatus, Venue
from trading.venues.connection import has_credentials, venue_client, venue_order_id
from trading.venues.denials import ENDED_UNSEEN
from trading.venues.orders import all_fills, refresh
from trading.venues.parking import IS_PARKED
from trading.venues.settlement import settle
from trading.venues.verification import GOING_ON

log = structlog.get_logger(__name__)

#: The most orders of either kind that one run asks for.
MOST_ORDERS: Final = 200
#: So many unanswered questions in a row mean that the venue is not reached.
MOST_UNANSWERED: Final = 3
#: How long an order is asked about that ended here without the venue's word.
WATCHED_FOR: Final = timedelta(hours=1)


def reconcile_pending_orders() -> int:
    """Ask the venue for orders that are open here, or may be there; return how many changed.

    Harmless to repeat, also while an order is being placed.
    """
    orders = list(chain(open_orders(), watched_orders()))
    if not orders or not has_credentials():
        return 0
    client, changed, unanswered = venue_client(), 0, 0
    for order in orders:
        try:
            changed += reconcile(client, order)
            unanswered = 0
        except VenueError as error:
            log.warning("reconciliation_failed", order_id=order.pk, reason=error.code)
            # Not reached, or in a pause that the venue asked for: so would be the others.
            unanswered += error.http_status is None
            if unanswered == MOST_UNANSWERED:
                break
        except Exception:
            log.exception("reconciliation_failed", order_id=order.pk)
    return changed


def open_orders() -> QuerySet[Order]:
    """Return open orders, those of an unknown fate (PENDING_NEW) first.

    Where there are more than one run asks for they are drawn by lot, so that each gets its turn.
    """
    orders = Order.objects.select_related("account").filter(
        ~IS_PARKED, venue=Venue.BINANCE_TESTNET, status__in=OPEN_STATUSES
    )
    too_many = orders[MOST_ORDERS:].exists()
    return orders.order_by("-status", "?" if too_many else "id")[:MOST_ORDERS]


def watched_orders() -> QuerySet[Order]:
    """Return orders that ended a short while ago although the venue may still have them."""
    orders = Order.objects.select_related("account").filter(
        ~IS_PARKED,
        venue=Venue.BINANCE_TESTNET,
        status=OrderStatus.EXPIRED,
        reject_code__in=ENDED_UNSEEN,
        updated_at__gt=timezone.now() - WATCHED_FOR,
    )
    return orders.order_by("-updated_at")[:MOST_ORDERS]


def reconcile(client: BinanceClient, order: Order) -> bool:
    """Bring one order in step and tell whether that changed it."""
    if order.status not in OPEN_STATUSES:
        look_for_ended(client, order)
        return False
    before = (order.status, order.filled_size)
    after = refresh(client, order)
    return (after.status, after.filled_size) != before


def look_for_ended(client: BinanceClient, order: Order) -> None:
    """Cancel an order that has ended here where the venue has it, and park what it filled."""
    name = venue_order_id(order)
    try:
        result = client.get_order(symbol=order.symbol, client_order_id=name)
        if result.status in GOING_ON:
            log.warning("ended_order_at_venue", order_id=order.pk, status=result.status)
            result = client.cancel_order(symbol=order.symbol, client_order_id=name)
    except (NoSuchOrder, CancelRejected):
        return
    settle(order=order, result=result, fills=all_fills(client, result))
