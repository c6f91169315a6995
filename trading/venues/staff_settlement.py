"""Settles parked answers as staff decide: booked as they enter it, released, or by an adjustment.

An order that is still open ends by it; one that had ended never changes, so that what it is owed
or owes is an adjustment of the balance that names it. Each raises DatabaseBusy where a
row that it needs stays locked.
"""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from accounts.models import Transfer, User
from accounts.services import adjust_balance
from market.kernel.amounts import LARGEST_INPUT, plain
from market.kernel.locks import telling_busy
from market.kernel.reasons import checked_reason
from risk.denials import Denial
from trading.booking.changes import AccountChanges
from trading.booking.retrying import until_mark_holds
from trading.booking.writing import write
from trading.errors import AlreadySettled, NotSettledSo
from trading.liquidation.insurance import InsuranceFund
from trading.models import OPEN_STATUSES, Order, OrderStatus, ParkedAnswer, ParkedOutcome
from trading.venue_denials import VENUE_SETTLED
from trading.venues.settlement import PATIENCE, book_fill, explain, lock_order
from trading.venues.verification import can_be_booked

SETTLED = Denial(VENUE_SETTLED, "Staff ended the order after a look at the venue's answer.")


@telling_busy()
@until_mark_holds
@transaction.atomic
def book_parked(
    *, parked: ParkedAnswer, size: Decimal, price: Decimal, reason: str, staff: User
) -> Order:
    """Book a fill of a parked order and end it: FILLED where that is all of it, else EXPIRED.

    Raises AlreadySettled, ReasonRequired, and NotSettledSo for an order that has ended or a fill
    beyond what is left of it.
    """
    order, changes = lock_parked(parked, reason)
    must_be_open(order)
    left = order.size - order.filled_size
    if not (can_be_booked(price, size) and size <= left and price < LARGEST_INPUT):
        raise NotSettledSo(
            f"A fill is at most the {plain(left)} that is left, and positive; size, price and "
            "their product have 8 decimal places at most."
        )
    changes.change_order(order)
    book_fill(changes, order, price, size)
    end(changes, order, OrderStatus.FILLED if size == left else OrderStatus.EXPIRED)
    close(parked, ParkedOutcome.BOOKED, reason, staff)
    return order


@telling_busy()
@until_mark_holds
@transaction.atomic
def release_parked(*, parked: ParkedAnswer, reason: str, staff: User) -> Order:
    """End a parked order without a further fill and give back what it reserves.

    Raises AlreadySettled, ReasonRequired, and NotSettledSo for an order that has ended.
    """
    order, changes = lock_parked(parked, reason)
    must_be_open(order)
    changes.change_order(order)
    end(changes, order, OrderStatus.EXPIRED)
    close(parked, ParkedOutcome.RELEASED, reason, staff)
    return order


@telling_busy()
@transaction.atomic
def adjust_parked(
    *, parked: ParkedAnswer, amount: Decimal, reason: str, staff: User
) -> Transfer | None:
    """Settle what the venue filled of an ended order by an adjustment that names the order.

    ``amount`` is in USDT, negative to take; zero moves nothing. Raises AlreadySettled,
    ReasonRequired, InvalidAmount, InsufficientBalance, and NotSettledSo for an open order.
    """
    order, _ = lock_parked(parked, reason)
    if order.status in OPEN_STATUSES:
        raise NotSettledSo("The order is still open: book its fill, or release it.")
    if amount == 0:
        close(parked, ParkedOutcome.CLOSED, reason, staff)
        return None
    close(parked, ParkedOutcome.ADJUSTED, reason, staff)
    return adjust_balance(
        account=order.account,
        amount=amount,
        reason=reason,
        created_by=staff,
        reference=f"order:{order.pk}",
    )


def lock_parked(parked: ParkedAnswer, reason: str) -> tuple[Order, AccountChanges]:
    """Lock the account of a parked order and return the order with the account's changes.

    Raises AlreadySettled, ReasonRequired, ReasonTooLong.
    """
    checked_reason(reason)
    order, changes = lock_order(parked.order, PATIENCE, fills=1)
    parked.refresh_from_db(fields=["settled_at"])
    if parked.settled_at is not None:
        raise AlreadySettled
    return order, changes


def must_be_open(order: Order) -> None:
    if order.status not in OPEN_STATUSES:
        raise NotSettledSo("The order has ended and never changes; adjust the balance.")


def end(changes: AccountChanges, order: Order, status: OrderStatus) -> None:
    """End a locked order whose fills are in its changes, and write the changes."""
    order.status = status
    changes.release(order)
    InsuranceFund().cover_deficit(changes, order)
    if status == OrderStatus.EXPIRED:
        explain(order, SETTLED)
    write(changes)


def close(parked: ParkedAnswer, outcome: ParkedOutcome, reason: str, staff: User) -> None:
    """Note who settled an answer, how and why."""
    parked.outcome, parked.reason = outcome, reason.strip()
    parked.settled_at, parked.settled_by = timezone.now(), staff
    parked.save(update_fields=["outcome", "reason", "settled_at", "settled_by"])
