"""What becomes of tickets and cancels under their account's lock, before it is written."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from accounts.models import Account
from market.kernel.amounts import ZERO
from risk.denials import Denial, deny
from risk.engine import Approval, Intent, check_order, value_sent
from risk.state import InstrumentState, RiskSnapshot, RiskState, Sent
from trading.booking.changes import AccountChanges
from trading.errors import OrderNotOpen
from trading.models import (
    HIGHEST_STORED_LEVERAGE,
    OPEN_STATUSES,
    Order,
    OrderStatus,
    OrderType,
    Venue,
)
from trading.orders.tickets import Outcome, Placement, Ticket, Twin, repeat, side_of, twin_of


@dataclass(frozen=True, slots=True)
class Intake:
    """How orders of a venue are taken in: their first status and the check that they must pass."""

    venue: Venue
    first_status: OrderStatus
    check: Callable[[Intent, RiskState, datetime], Approval | Denial]


SIMULATED: Final = Intake(Venue.SIMULATED, OrderStatus.NEW, check_order)


class Decisions:
    """Decides on what one account's owner wants, one by one, and books it before it is written.

    Each decision sees what those before it did. ``earlier`` are known placements by their names.
    ``headroom`` is how much global exposure may still grow, None where the database decides. Where
    a control asks, it is known what was ``sent``, and when equal orders (``twins``) were accepted.
    """

    def __init__(
        self,
        intake: Intake,
        snapshot: RiskSnapshot,
        changes: AccountChanges,
        *,
        open_orders: int,
        earlier: dict[str, Placement],
        headroom: Decimal | None,
        sent: Sent | None,
        twins: dict[Twin, datetime],
    ) -> None:
        self.intake = intake
        self.snapshot = snapshot
        self.changes = changes
        self.open_orders = open_orders
        self.earlier = earlier
        self.headroom = headroom
        self.sent = sent
        self.twins = twins
        self.owner = Account(id=snapshot.account.account_id, user_id=snapshot.account.user_id)

    def take(self, ticket: Ticket, order_id: int) -> Outcome:
        """Decide on a ticket; ``order_id`` becomes its order's id if it is a new one."""
        name = ticket.client_order_id
        if name is not None and name in self.earlier:
            return repeat(self.earlier[name], ticket)
        placement = self._place(ticket, order_id)
        if name is not None:
            self.earlier[name] = placement
        return placement

    def cancel(self, order: Order) -> Order | OrderNotOpen:
        """Cancel an order and give back what it reserves."""
        if order.status not in OPEN_STATUSES:
            return OrderNotOpen(order_id=order.pk, status=order.status)
        self.changes.change_order(order)
        self.changes.release(order)
        order.status = OrderStatus.CANCELED
        self.open_orders -= 1
        return order

    def _place(self, ticket: Ticket, order_id: int) -> Placement:
        state = self.snapshot.facing(
            ticket.intent.symbol,
            self.changes.state,
            self.open_orders,
            self.sent,
            self.twins.get(twin_of(ticket.intent)),
        )
        intent = ticket.intent.filled_in(state.holding)
        decision = self.intake.check(intent, state, self.changes.now)
        if isinstance(decision, Approval) and self._exceeds_threshold(decision, state):
            decision = deny("global_exposure_exceeded")
        order = self._new_order(order_id, ticket, intent, state.instrument)
        if isinstance(decision, Denial):
            refuse(order, decision)
            self.changes.add_order(order)
            return Placement(order, decision)
        assert state.instrument is not None
        if self.sent is not None:
            elsewhere = self.intake.venue != Venue.SIMULATED
            value = value_sent(intent, state, self.changes.now, goes_out=elsewhere)
            self.sent = self.sent.plus(value)
            order.sent_total = self.sent.total
            self.twins[twin_of(intent)] = self.changes.now
        book_approved(self.changes, order, decision, state.instrument)
        self.snapshot = replace(self.snapshot, limits=self.changes.held(self.snapshot.limits))
        self.open_orders += order.status in OPEN_STATUSES
        return Placement(order)

    def _exceeds_threshold(self, approval: Approval, state: RiskState) -> bool:
        if self.headroom is None or not approval.opens:
            return False
        assert state.instrument is not None
        assert state.instrument.mark_price is not None
        change = approval.change.valued_at(state.instrument.mark_price)
        return self.changes.exposures.value + change > self.headroom

    def _new_order(
        self, order_id: int, ticket: Ticket, intent: Intent, instrument: InstrumentState | None
    ) -> Order:
        """Return an order as asked for, neither accepted nor refused."""
        return Order(
            id=order_id,
            account=self.owner,
            instrument_id=instrument.id if instrument else None,
            symbol=intent.symbol,
            client_order_id=ticket.client_order_id,
            fingerprint=ticket.fingerprint,
            side=side_of(intent),
            type=OrderType.MARKET if intent.price is None else OrderType.LIMIT,
            size=intent.size,
            price=intent.price,
            leverage=stored_leverage(intent.leverage),
            reduce_only=intent.reduce_only,
            venue=self.intake.venue,
            status=self.intake.first_status,
            filled_size=ZERO,
            required_margin=ZERO,
            reserved_margin=ZERO,
            reserved_notional=ZERO,
            created_at=self.changes.now,
            updated_at=self.changes.now,
        )


def stored_leverage(asked: int | None) -> int | None:
    """Return a leverage as the column holds it; one beyond it will be refused."""
    return None if asked is None else min(asked, HIGHEST_STORED_LEVERAGE)


def refuse(order: Order, denial: Denial) -> None:
    """Turn an order down; it is stored with its code: a denial is a recorded fact."""
    order.status = order.accepted_as = OrderStatus.REJECTED
    order.reject_code, order.reject_detail = denial.code, denial.detail


def book_approved(
    changes: AccountChanges, order: Order, approval: Approval, instrument: InstrumentState
) -> None:
    """Book what an approved order does at once or reserves."""
    assert instrument.mark_price is not None
    order.leverage = approval.leverage
    order.required_margin = approval.required_margin
    order.reserved_margin = approval.reserved_margin
    order.reserved_notional = approval.reserved_notional
    order.user_exposure_after = approval.user_exposure_after
    changes.add_order(order)
    if approval.execution:
        changes.fill(order, approval.execution, instrument.mark_price)
    else:
        changes.exposures.add(instrument.id, instrument.mark_price, approval.change)
    if approval.opens:
        changes.exposures.note_opening()
    order.accepted_as = order.status
    order.answered_filled_size, order.answered_average_price = (
        order.filled_size,
        order.average_price,
    )
    order.global_exposure_after = changes.exposures.value
