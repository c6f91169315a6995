"""Decides on what owners of accounts want and books it, one instruction or many in one transaction.

It takes two round trips: BEGIN, the accounts' locks, ids for orders and the accounts' states; then
all that is to be written, with the COMMIT. What the decisions rest on is read by later statements
than the one that may wait for the locks, which would see other tables as they were before.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, overload

import structlog
from django.db import Error, connection
from django.utils import timezone

from accounts.errors import AccountNotFound
from accounts.locks import ask_for_locks
from market.kernel.api.database_errors import is_lost
from market.kernel.errors import DatabaseUnavailable
from risk.exposure import ExposureChanges
from risk.selectors import ask_for_states, snapshots_in
from risk.state import RiskSnapshot
from trading.booking.changes import AccountChanges
from trading.booking.pipeline import GlobalExposureExceeded, MarkMoved, pipelined
from trading.booking.throttle import throttle_of
from trading.booking.writing import ask_for_shared_rows, booking
from trading.errors import OrderNotOpen
from trading.models import Order
from trading.orders.decisions import SIMULATED, Decisions, Intake
from trading.orders.opened import OpenedTickets, ask_for_tickets, opened_in
from trading.orders.tickets import Outcome, Ticket

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a group waits for locked accounts, and for any other locked row, in seconds.

    Without any for accounts it leaves out locked ones.
    """

    accounts: float
    others: float


#: Of an instruction by itself.
PATIENT: Final = Patience(accounts=10, others=10)
#: How long to ask what became of a transaction, in seconds.
FATE_WITHIN: Final = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Tickets of one account, in their order; each has an outcome of its own."""

    user_id: int
    tickets: Sequence[Ticket]


@dataclass(frozen=True, slots=True)
class Cancel:
    """The end of orders of one account that rest here."""

    user_id: int
    order_ids: Sequence[int]


Instruction = Place | Cancel
#: Of each ticket, or of each order to cancel: the order, or why it is none any more.
Result = list[Outcome] | list[Order | OrderNotOpen]


class FateUnknown(DatabaseUnavailable):
    """The connection was lost while a COMMIT was under way; ``transaction`` is its id."""

    def __init__(self, transaction: str) -> None:
        super().__init__()
        self.transaction = transaction


@overload
def book_alone(instruction: Place, intake: Intake = SIMULATED) -> list[Outcome]: ...
@overload
def book_alone(instruction: Cancel, intake: Intake = SIMULATED) -> list[Order | OrderNotOpen]: ...
def book_alone(instruction: Instruction, intake: Intake = SIMULATED) -> Result:
    """Book one instruction, waiting for its account if need be. Raises AccountNotFound."""
    [result] = book([instruction], intake, patience=PATIENT)
    if result is None:
        raise AccountNotFound
    return result


def book(
    group: Sequence[Instruction],
    intake: Intake = SIMULATED,
    *,
    patience: Patience,
) -> list[Result | None]:
    """Carry out instructions in their order and return the result of each, all or nothing.

    The result is None where there is no account, or it is left out because it is locked. Where a
    mark moved meanwhile or the global threshold is reached, everything is decided once more with
    the shared rows locked first, at the price of a longer lock.
    """
    try:
        return decide_and_book(group, intake, patience, shared_first=False)
    except (MarkMoved, GlobalExposureExceeded):
        return decide_and_book(group, intake, patience, shared_first=True)


def decide_and_book(
    group: Sequence[Instruction],
    intake: Intake,
    patience: Patience,
    *,
    shared_first: bool,
) -> list[Result | None]:
    """Decide on a group under its accounts' locks and write what was decided.

    Raises FateUnknown where the connection is lost once a COMMIT may have been sent.
    """
    committing: str | None = None
    try:
        with booking() as write:
            used = connection.connection
            seen = look(group, patience, shared_first=shared_first)
            decisions = decisions_of(seen, intake)
            results = carry_out(group, decisions, seen.opened.order_ids)
            changes = [own.changes for own in decisions.values() if own.changes.is_to_be_written]
            if changes:
                committing = seen.transaction
                write(*changes, threshold=seen.threshold)
    except Error as error:
        if committing is None or not (used.closed or is_lost(error)):
            raise
        log.error("commit_unanswered", transaction=committing, error=str(error).strip())
        raise FateUnknown(committing) from error
    return results


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first round trip saw: the locked accounts by user id, and what tickets need.

    ``total`` is global exposure where its row is locked, else None.
    """

    transaction: str
    snapshots: dict[int, RiskSnapshot]
    opened: OpenedTickets
    total: Decimal | None

    @property
    def threshold(self) -> Decimal:
        return next(iter(self.snapshots.values())).limits.global_exposure_threshold

    @property
    def headroom(self) -> Decimal | None:
        """How much global exposure may still grow, where that is known and nobody changes it."""
        return None if self.total is None or not self.snapshots else self.threshold - self.total


def look(group: Sequence[Instruction], patience: Patience, *, shared_first: bool) -> Seen:
    """Lock the accounts of a group, or the shared rows as well, and read what decisions rest on."""
    user_ids = {instruction.user_id for instruction in group}
    tickets = [(one.user_id, t) for one in group if isinstance(one, Place) for t in one.tickets]
    symbols = {ticket.intent.symbol for _, ticket in tickets}
    cancelled = to_cancel(group)
    with ExitStack() as open_cursors:
        locks, shared, ids, states = (
            open_cursors.enter_context(connection.cursor()) for _ in range(4)
        )
        with pipelined():
            ask_for_locks(
                locks, user_ids=user_ids, patience=patience.accounts, afterwards=patience.others
            )
            if shared_first:
                ask_for_shared_rows(shared, symbols=symbols, cancelled=cancelled)
            ask_for_tickets(ids, tickets)
            ask_for_states(states, user_ids=user_ids, symbols=symbols)
        locked = {user_id: transaction for _, user_id, transaction in locks.fetchall()}
        return Seen(
            transaction=next(iter(locked.values()), ""),
            snapshots={
                snapshot.account.user_id: snapshot
                for snapshot in snapshots_in(states)
                if snapshot.account.user_id in locked
            },
            opened=opened_in(ids, tickets),
            total=shared.fetchone()[0] if shared_first else None,
        )


def decisions_of(seen: Seen, intake: Intake) -> dict[int, Decisions]:
    """Return where the decisions on each locked account are made, by user id."""
    now, exposures = timezone.now(), ExposureChanges()
    return {
        user_id: Decisions(
            intake,
            snapshot,
            AccountChanges(
                snapshot.account,
                now,
                exposures,
                throttle_of(snapshot.limits, seen.opened.filled.get(user_id)),
            ),
            open_orders=seen.opened.open_orders.get(user_id, 0),
            earlier=seen.opened.earlier[user_id],
            sent=seen.opened.sent.get(user_id),
            twins=seen.opened.twins[user_id],
            headroom=seen.headroom,
        )
        for user_id, snapshot in seen.snapshots.items()
    }


def carry_out(
    group: Sequence[Instruction], decisions: Mapping[int, Decisions], order_ids: Iterator[int]
) -> list[Result | None]:
    """Decide on instructions in their order; None where an account is not locked."""
    cancelled = stored_orders(to_cancel(group))
    results: list[Result | None] = []
    for one in group:
        own = decisions.get(one.user_id)
        if own is None:
            results.append(None)
        elif isinstance(one, Cancel):
            results.append([own.cancel(cancelled[order_id]) for order_id in one.order_ids])
        else:
            results.append([own.take(ticket, next(order_ids)) for ticket in one.tickets])
    return results


def to_cancel(group: Sequence[Instruction]) -> list[int]:
    return [order_id for one in group if isinstance(one, Cancel) for order_id in one.order_ids]


def stored_orders(order_ids: Sequence[int]) -> Mapping[int, Order]:
    """Return orders by id, each with its account; asking for none asks nothing."""
    return Order.objects.select_related("account").in_bulk(order_ids) if order_ids else {}


def was_rolled_back(lost: FateUnknown) -> bool:
    """Tell on a new connection whether a transaction that lost its own certainly did nothing."""
    deadline = time.monotonic() + FATE_WITHIN
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_xact_status(%s::text::xid8)", [lost.transaction])
            [status] = cursor.fetchone()
        if status != "in progress":
            return bool(status == "aborted")
        time.sleep(0.01)
    return False
