"""Places and cancels orders on the venue that they belong to; other writes stand in the wings."""

from collections.abc import Sequence

from django.conf import settings

from market.kernel.amounts import ZERO
from market.kernel.errors import ExchangeError
from market.kernel.reasons import checked_reason
from market.selectors import get_instrument
from risk.engine import Intent
from trading.models import Order, Venue
from trading.orders import cancellation, placement
from trading.orders.tickets import Outcome, Placement, Ticket
from trading.selectors import get_order, open_orders_of
from trading.venues.orders import (
    Cancellations,
    cancel_all_at_venue,
    cancel_at_venue,
    place_at_venue,
)


def place_order(*, user_id: int, intent: Intent, client_order_id: str | None = None) -> Placement:
    """Place an order for a user on the configured venue.

    A refused order is returned with its denial, not raised. The same ``client_order_id`` with the
    same intent returns the first answer. Raises AccountNotFound, ClientOrderIdConflict,
    CredentialsMissing where the venue needs some.
    """
    [outcome] = place_orders(user_id=user_id, tickets=[Ticket(intent, client_order_id)])
    if isinstance(outcome, ExchangeError):
        raise outcome
    return outcome


def place_orders(*, user_id: int, tickets: Sequence[Ticket]) -> list[Outcome]:
    """Place orders for a user on the configured venue and return the outcome of each, in order.

    On the simulated venue they share one transaction; at another each is sent by itself. Raises
    AccountNotFound, CredentialsMissing where the venue needs some.
    """
    if settings.EXCHANGE_VENUE == Venue.BINANCE_TESTNET:
        return place_at_venue(user_id=user_id, tickets=tickets)
    return placement.place_orders(user_id=user_id, tickets=tickets)


def close_position(*, user_id: int, symbol: str, client_order_id: str | None = None) -> Placement:
    """Close what a user has open in an instrument by a reduce-only market order of all of it.

    What that is, is decided under the account's lock, so that nothing is opened the other way.
    Answers and raises as ``place_order`` does; with nothing open the order is refused. Raises
    UnknownSymbol.
    """
    listed = get_instrument(symbol=symbol).symbol
    intent = Intent(listed, is_buy=False, size=ZERO, reduce_only=True, closes=True)
    return place_order(user_id=user_id, intent=intent, client_order_id=client_order_id)


def cancel_order(*, order_id: int, user_id: int) -> Order:
    """Cancel an open order for its owner and return it.

    Raises OrderNotFound, Forbidden for another user's order, OrderNotOpen; at another venue also
    OrderPending, CredentialsMissing, VenueUnavailable and VenueRateLimited.
    """
    return cancel(get_order(order_id=order_id, user_id=user_id))


def cancel_for_client(*, order_id: int, reason: str) -> Order:
    """Cancel an open order in its owner's place and return it; the staff log keeps the reason.

    Raises ReasonRequired, ReasonTooLong, and as ``cancel_order`` does.
    """
    checked_reason(reason)
    return cancel(get_order(order_id=order_id, user_id=None))


def cancel(order: Order) -> Order:
    """Cancel an order where it rests."""
    if order.venue == Venue.BINANCE_TESTNET:
        return cancel_at_venue(order=order)
    return cancellation.cancel_order(order=order)


def cancel_all_orders(*, user_id: int, symbol: str | None = None) -> Cancellations:
    """Cancel the open orders of a user, or those in an instrument, and say which.

    Those that rest here end together. Of those at another venue, which is asked about each by
    itself, some may be left, with the reason. Raises UnknownSymbol.
    """
    listed = None if symbol is None else get_instrument(symbol=symbol).symbol
    found = list(open_orders_of(user_id=user_id, symbol=listed))
    here = [order.pk for order in found if order.venue == Venue.SIMULATED]
    canceled = cancellation.cancel_orders(user_id=user_id, order_ids=here)
    away = cancel_all_at_venue([order for order in found if order.venue != Venue.SIMULATED])
    return Cancellations(sorted([*canceled, *away.canceled]), away.left)
