"""Places and cancels orders at Binance Spot Testnet.

First the order is stored as PENDING_NEW with its reservation, then the venue is called outside any
transaction, then its answer is booked. What a crash or a lost answer leaves behind, reconciliation
settles: an order is sent at most once.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from django.db import OperationalError
from django.utils import timezone

from market.binance.answers import Fill, OrderResult
from market.binance.client import BinanceClient
from market.binance.errors import (
    CancelRejected,
    DuplicateOrder,
    NoSuchOrder,
    OrderFateUnknown,
    VenueError,
    VenueRejected,
)
from market.kernel.errors import ExchangeError
from market.kernel.locks import is_lock_timeout
from risk.denials import Denial
from trading.errors import OrderNotOpen, OrderNotPlaced, OrderPending
from trading.metrics import count_order, order_latency_seconds
from trading.models import OPEN_STATUSES, Order, OrderStatus, OrderType, Side, Venue
from trading.orders.decisions import Intake
from trading.orders.group import Place, book_alone
from trading.orders.tickets import Outcome, Placement, Ticket, answer_first
from trading.venue_denials import VENUE_REJECTED, VENUE_UNAVAILABLE
from trading.venues.checks import check_for_venue
from trading.venues.connection import venue_client, venue_order_id
from trading.venues.parking import is_parked
from trading.venues.settlement import PATIENCE, end_absent, settle

log = structlog.get_logger(__name__)

INTAKE: Final = Intake(Venue.BINANCE_TESTNET, OrderStatus.PENDING_NEW, check_for_venue)

#: From this age on nothing about a new order is sent: neither the order nor, for its sake, a
#: question for the venue's time.
SEND_WITHIN: Final = timedelta(seconds=20)
#: Of many orders to cancel, none is begun with so many seconds later.
CANCEL_WITHIN: Final = 20.0
#: When the venue does not know an order of this age, it never will: more than SEND_WITHIN and
#: recvWindow together.
FATE_FINAL_AFTER: Final = timedelta(seconds=60)

PARKED: Final = (
    "What the venue answered about the order does not fit it; staff look into it and settle it."
)

LOCKED: Final = "Others hold the account: what the venue said is booked in some seconds."
NO_TIME: Final = "The venue took too long for the orders before this one; call again."


def place_at_venue(*, user_id: int, tickets: Sequence[Ticket]) -> list[Outcome]:
    """Place orders for a user at the venue, one after the other, and return what became of each.

    As on the simulated venue a refused order is returned with its denial, the venue's refusals
    included. An order whose fate is unknown is returned as PENDING_NEW. What breaks one order
    does not lose what is known of those before it; SEND_WITHIN is for all of them together.
    Raises CredentialsMissing, AccountNotFound.
    """
    client = venue_client()
    deadline = client.deadline_in(SEND_WITHIN.total_seconds())
    outcomes: list[Outcome] = []
    for ticket in tickets:
        try:
            outcomes.append(place(client, user_id, ticket, deadline))
        except Exception as error:
            if not outcomes:
                raise
            log.exception("order_not_placed", user_id=user_id)
            outcomes.append(error if isinstance(error, ExchangeError) else OrderNotPlaced())
    return outcomes


def place(client: BinanceClient, user_id: int, ticket: Ticket, deadline: float) -> Outcome:
    """Store one order and send it to the venue."""
    with order_latency_seconds.time():
        [placement] = book_alone(Place(user_id, [ticket]), INTAKE)
        if isinstance(placement, ExchangeError) or placement.replayed:
            return placement
        if placement.denial is None:
            placement = send_or_leave(client, placement.order, deadline)
    count_order(placement.order)
    return placement


def send_or_leave(client: BinanceClient, order: Order, deadline: float) -> Placement:
    """Send a stored order; where that breaks on our side it is left to reconciliation."""
    try:
        return send(client, order, deadline)
    except Exception:
        log.exception("order_left_pending", order_id=order.pk)
        return Placement(order)


def send(client: BinanceClient, order: Order, deadline: float) -> Placement:
    """Send a stored order to the venue and book the answer."""
    left = SEND_WITHIN - (timezone.now() - order.created_at)
    try:
        result = client.place_order(
            symbol=order.symbol,
            side="BUY" if order.side == Side.BUY else "SELL",
            type="MARKET" if order.type == OrderType.MARKET else "LIMIT",
            quantity=order.size,
            price=order.price,
            client_order_id=venue_order_id(order),
            deadline=min(deadline, client.deadline_in(left.total_seconds())),
        )
    except OrderFateUnknown:
        return Placement(order)
    except DuplicateOrder:
        return ask(client, order)
    except VenueRejected as error:
        return refuse(order, Denial(VENUE_REJECTED, f"The venue refused: {error.message}"))
    except VenueError as error:
        return refuse(order, Denial(VENUE_UNAVAILABLE, error.message))
    settle(order=order, result=result, fills=result.fills)
    return answer_first(order.pk)


def ask(client: BinanceClient, order: Order) -> Placement:
    """Return an order that the venue says it has already, as it is there if it can be asked."""
    try:
        refresh(client, order)
    except VenueError:
        return Placement(order)
    return answer_first(order.pk)


def refuse(order: Order, denial: Denial) -> Placement:
    """Store that the venue did not take an order."""
    end_absent(order=order, status=OrderStatus.REJECTED, denial=denial)
    return answer_first(order.pk)


def cancel_at_venue(*, order: Order, patience: float = PATIENCE) -> Order:
    """Cancel an order at the venue and return it.

    Raises OrderNotOpen, OrderPending when its end is not known yet, or not booked since others hold
    its account for longer than ``patience`` seconds; CredentialsMissing, VenueUnavailable,
    VenueRateLimited.
    """
    if order.status not in OPEN_STATUSES:
        raise OrderNotOpen(order_id=order.pk, status=order.status)
    if is_parked(order):
        raise OrderPending(PARKED, order_id=order.pk)
    client = venue_client()
    try:
        order = cancel_and_settle(client, order, patience)
    except OrderFateUnknown:
        raise OrderPending(order_id=order.pk) from None
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        raise OrderPending(LOCKED, order_id=order.pk) from error
    if order.status == OrderStatus.CANCELED:
        return order
    if order.status in OPEN_STATUSES:
        raise OrderPending(order_id=order.pk)
    raise OrderNotOpen(order_id=order.pk, status=order.status)


def cancel_and_settle(client: BinanceClient, order: Order, patience: float) -> Order:
    """Cancel an order at the venue, book what it says, and return the order."""
    try:
        result = client.cancel_order(symbol=order.symbol, client_order_id=venue_order_id(order))
    except CancelRejected:
        return refresh(client, order, patience=patience)
    fills = all_fills(client, order, result)
    return settle(order=order, result=result, fills=fills, patience=patience)


@dataclass(frozen=True, slots=True)
class Cancellations:
    """The ids of orders that were cancelled, and why others were not, by their ids."""

    canceled: list[int]
    left: dict[int, ExchangeError]


def cancel_all_at_venue(orders: Sequence[Order]) -> Cancellations:
    """Cancel orders at the venue, one after the other, as far as there is time.

    One that is not open any more is in neither list.
    """
    done = Cancellations([], {})
    deadline = time.monotonic() + CANCEL_WITHIN
    for order in orders:
        try:
            if time.monotonic() > deadline:
                raise OrderPending(NO_TIME)
            done.canceled.append(cancel_at_venue(order=order).pk)
        except OrderNotOpen:
            pass
        except ExchangeError as error:
            done.left[order.pk] = error
    return done


def refresh(
    client: BinanceClient,
    order: Order,
    *,
    deadline: float | None = None,
    patience: float = PATIENCE,
) -> Order:
    """Bring an order to where the venue says it is, and return it.

    ``deadline`` is one of the client, for all that it asks. Raises VenueUnavailable,
    VenueRateLimited, VenueRejected, and as ``settle`` does.
    """
    try:
        result = client.get_order(
            symbol=order.symbol, client_order_id=venue_order_id(order), deadline=deadline
        )
    except NoSuchOrder:
        if timezone.now() - order.created_at <= FATE_FINAL_AFTER:
            return order
        absent = Denial(VENUE_REJECTED, "The venue does not know the order.")
        return end_absent(order=order, status=OrderStatus.EXPIRED, denial=absent, patience=patience)
    fills = all_fills(client, order, result, deadline=deadline)
    return settle(order=order, result=result, fills=fills, patience=patience)


def all_fills(
    client: BinanceClient, order: Order, result: OrderResult, *, deadline: float | None = None
) -> Sequence[Fill]:
    """Return the fills of an order, asking the venue for those that its answer left out.

    What it refuses to list is not listed.
    """
    if result.fills_complete:
        return result.fills
    try:
        return client.my_trades(symbol=order.symbol, order_id=result.order_id, deadline=deadline)
    except VenueRejected:
        return result.fills
