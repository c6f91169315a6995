"""Keeps orders at Binance Spot Testnet in step: those left pending, and those filled since."""

import structlog

from market.binance.client import BinanceClient
from market.binance.errors import VenueError
from trading.models import OPEN_STATUSES, Order, Venue
from trading.venues.connection import has_credentials, venue_client
from trading.venues.orders import refresh

log = structlog.get_logger(__name__)


def reconcile_pending_orders() -> int:
    """Ask the venue for every order that is open here; return how many changed.

    Harmless to repeat, also while an order is being placed.
    """
    orders = Order.objects.select_related("account").filter(
        venue=Venue.BINANCE_TESTNET, status__in=OPEN_STATUSES
    )
    if not orders.exists() or not has_credentials():
        return 0
    client, changed = venue_client(), 0
    for order in orders.order_by("id"):
        try:
            changed += reconcile(client, order)
        except VenueError as error:
            log.warning("reconciliation_failed", order_id=order.pk, reason=error.code)
            if error.http_status is None:
                # Not reached, or in a pause that the venue asked for: so would be the others.
                break
        except Exception:
            log.exception("reconciliation_failed", order_id=order.pk)
    return changed


def reconcile(client: BinanceClient, order: Order) -> bool:
    """Bring one order in step and tell whether that changed it."""
    before = (order.status, order.filled_size)
    after = refresh(client, order)
    return (after.status, after.filled_size) != before
