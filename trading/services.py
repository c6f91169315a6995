"""The trading app's writes, as the API, the admin, tasks and commands call them."""

from django.conf import settings

from risk.engine import Intent
from trading import cancellation, placement
from trading.models import Order, Venue
from trading.placement import Placement
from trading.selectors import get_order
from trading.venues.orders import cancel_at_venue, place_at_venue


def place_order(*, user_id: int, intent: Intent, client_order_id: str | None = None) -> Placement:
    """Place an order for a user on the configured venue.

    A refused order is returned with its denial, not raised. Raises AccountNotFound,
    ClientOrderIdConflict, CredentialsMissing where the venue needs some.
    """
    if settings.EXCHANGE_VENUE == Venue.BINANCE_TESTNET:
        return place_at_venue(user_id=user_id, intent=intent, client_order_id=client_order_id)
    return placement.place_order(user_id=user_id, intent=intent, client_order_id=client_order_id)


def cancel_order(*, order_id: int, user_id: int | None) -> Order:
    """Cancel an open order for its owner, or for staff (``user_id`` None), and return it.

    Raises OrderNotFound, Forbidden for another user's order, OrderNotOpen; at another venue also
    OrderPending, CredentialsMissing, VenueUnavailable and VenueRateLimited.
    """
    order = get_order(order_id=order_id, user_id=user_id)
    if order.venue == Venue.BINANCE_TESTNET:
        return cancel_at_venue(order=order)
    return cancellation.cancel_order(order=order)
