"""The kill function: holds a scope back first, then cancels what is open in it, as one act.

An order that was decided before the state was set may be booked after it. So the transactions that
were under way by then are waited for, and what they booked is cancelled too: once a kill is
finished, nothing of its scope is open but what the state lets pass.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from accounts.models import Account, User
from accounts.selectors import get_account
from accounts.services import set_account_state
from market.kernel.errors import ExchangeError, NotFound
from market.kernel.locks import limit_lock_waits, telling_busy
from market.kernel.pruning import NEVER, Deadline
from market.kernel.reasons import checked_reason
from market.kernel.states import TradingState
from market.kernel.versions import lock_row
from market.models import Instrument
from market.selectors import get_instrument
from market.services import set_instrument_state
from risk.selectors import get_policy
from risk.services import set_trading_state
from trading.booking.isolation import Isolation
from trading.models import OPEN_STATUSES, Kill, Order, OrderStatus, Venue
from trading.orders.group import Cancel, Patience, Result, book
from trading.selectors import state_held
from trading.venues.orders import CANCEL_WITHIN, cancel_at_venue

#: Orders that end in one transaction; it waits for no locked account, and little for other rows.
PORTION: Final = 100
SKIPPING: Final = Patience(accounts=0, others=1)
#: How long it waits for the row of its scope, and for transactions that were under way, in seconds,
#: and how often it looks.
LONGEST_WAIT: Final = 15.0
PAUSE: Final = 0.02
#: What the log calls orders of a user that could not be cancelled.
LEFT: Final = "kill_left_orders"

# Whoever places an order has locked rows of this table since before it read any state.
UNDER_WAY: Final = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'accounts_account'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND mode IN ('RowShareLock', 'RowExclusiveLock') AND pid <> pg_backend_pid()
"""

Told = Callable[[Kill], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose orders are meant: of an account, of an instrument, or everybody's."""

    account: Account | None = None
    instrument: Instrument | None = None

    def open_orders(self) -> QuerySet[Order]:
        found = Order.objects.filter(status__in=OPEN_STATUSES)
        if self.account is not None:
            found = found.filter(account=self.account)
        return found if self.instrument is None else found.filter(instrument=self.instrument)


def scope_named(*, username: str | None = None, symbol: str | None = None) -> Scope:
    """Return the scope of a user or an instrument, everybody's where both are None.

    An empty name is nobody's. Raises NotFound, AccountNotFound, UnknownSymbol.
    """
    if username is not None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise NotFound(f"There is no user {username!r}.")
        return Scope(account=get_account(user_id=user.pk))
    return Scope() if symbol is None else Scope(instrument=get_instrument(symbol=symbol))


def kill(
    *,
    scope: Scope,
    state: TradingState,
    reason: str,
    by: User | None = None,
    deadline: Deadline = NEVER,
    told: Told = lambda act: None,
) -> Kill:
    """Set a scope to HALTED or REDUCING, then cancel what is open in it, and return the act.

    A state that is stricter already stays. The act is finished unless the deadline came, an order
    could not be cancelled, or a transaction of before goes on for too long: asking again goes on
    with it. Once its state is loosened it has ended, with what it had counted by then, and cancels
    no more than was under way. ``told`` hears of each portion. The audit trail keeps the act with
    its reason once it has ended, and the state at once. Raises ReasonRequired, ReasonTooLong, and
    DatabaseBusy where the scope's row is held for longer than LONGEST_WAIT.
    """
    with telling_busy():
        act = begin(scope, state, checked_reason(reason), by)
    before, found = under_way(), scope.open_orders()
    orders = held_back(found, state, known=newest_of(found))
    cancel_open(act, orders, deadline, told)
    if have_ended(before, deadline) and cancel_open(act, orders, deadline, told):
        Kill.objects.filter(pk=act.pk, finished_at=None).update(finished_at=timezone.now())
    act.refresh_from_db()
    return act


@transaction.atomic
def begin(scope: Scope, state: TradingState, reason: str, by: User | None) -> Kill:
    """Set the state and return the act: an unfinished one that set the same, or a new one.

    Where that changes the state, what was unfinished is another act, which ends here.
    """
    limit_lock_waits(seconds=LONGEST_WAIT)
    changes, now = tighten(scope, state, reason, by), timezone.now()
    if changes:
        Kill.objects.filter(
            account=scope.account, instrument=scope.instrument, finished_at=None
        ).update(finished_at=now)
    act, _ = Kill.objects.get_or_create(
        account=scope.account,
        instrument=scope.instrument,
        state=state.value,
        finished_at=None,
        defaults={"reason": reason, "started_at": now, "started_by": by},
    )
    return act


def tighten(scope: Scope, state: TradingState, reason: str, by: User | None) -> bool:
    """Set the state of a scope, under its row's lock, unless it is as strict; tell whether."""
    lock_row(scope.account or scope.instrument or get_policy())
    if not state.is_stricter_than(state_held(account=scope.account, instrument=scope.instrument)):
        return False
    if scope.account is not None:
        set_account_state(account=scope.account, state=state, reason=reason, by=by)
    elif scope.instrument is not None:
        set_instrument_state(instrument=scope.instrument, state=state, reason=reason)
    else:
        set_trading_state(state=state, reason=reason)
    return True


def under_way() -> set[str]:
    """Return the transactions that may have decided on orders by an earlier state."""
    with connection.cursor() as cursor:
        cursor.execute(UNDER_WAY)
        return {name for (name,) in cursor.fetchall()}


def have_ended(transactions: set[str], deadline: Deadline) -> bool:
    """Wait until transactions have ended; False where that takes too long."""
    patience = Deadline(LONGEST_WAIT)
    while transactions & under_way():
        if deadline.is_past or patience.is_past:
            return False
        time.sleep(PAUSE)
    return True


def newest_of(orders: QuerySet[Order]) -> int:
    """Return the id of the newest of orders, 0 of none."""
    return orders.aggregate(newest=Max("pk"))["newest"] or 0


def held_back(orders: QuerySet[Order], state: TradingState, known: int) -> QuerySet[Order]:
    """Leave out what a state lets pass, of orders newer than those known when it had been set."""
    if state == TradingState.REDUCING:
        return orders.exclude(reduce_only=True, pk__gt=known)
    return orders


def cancel_open(act: Kill, orders: QuerySet[Order], deadline: Deadline, told: Told) -> bool:
    """Cancel what of orders is there by now, a portion at a time; tell whether all has ended."""
    found = orders.filter(pk__lte=newest_of(orders)).order_by("account_id", "pk")
    going_on = Kill.objects.filter(pk=act.pk, finished_at=None)
    beyond, isolation = Q(), Isolation()
    while portion := list(found.filter(beyond).select_related("account")[:PORTION]):
        if deadline.is_past or not going_on.exists():
            return False
        last = portion[-1]
        beyond = Q(account__gt=last.account_id) | Q(account=last.account_id, pk__gt=last.pk)
        act.canceled += (canceled := cancel_portion(portion, isolation, deadline))
        going_on.update(canceled=F("canceled") + canceled)
        told(act)
    return not found.exists()


def cancel_portion(orders: Sequence[Order], isolation: Isolation, deadline: Deadline) -> int:
    """Cancel orders where they rest and return how many were open still."""
    away = [order for order in orders if order.venue != Venue.SIMULATED]
    here = [order for order in orders if order.venue == Venue.SIMULATED]
    cancels = [
        Cancel(user_id, [order.pk for order in own])
        for user_id, own in groupby(here, key=attrgetter("account.user_id"))
    ]
    return cancel_here(cancels, isolation, deadline) + cancel_away(away, isolation, deadline)


def cancel_here(cancels: Sequence[Cancel], isolation: Isolation, deadline: Deadline) -> int:
    """Cancel in one transaction; of an account that is locked, or where that fails, by itself."""
    canceled: list[Result | None] = [None] * len(cancels)
    try:
        canceled = book(cancels, patience=SKIPPING) if cancels else []
    except Exception as error:
        isolation.note(error)
    for at, cancel in enumerate(cancels):
        if canceled[at] is None and not deadline.is_past:
            with isolation.of(cancel.user_id, failing=LEFT):
                patience = Patience(isolation.patience, isolation.patience)
                [canceled[at]] = book([cancel], patience=patience)
    return sum(
        isinstance(one, Order) and one.status == OrderStatus.CANCELED
        for result in canceled
        for one in result or ()
    )


def cancel_away(orders: Sequence[Order], isolation: Isolation, deadline: Deadline) -> int:
    """Cancel at the venue, one after the other, as far as there is time."""
    canceled, patience = 0, Deadline(CANCEL_WITHIN)
    for order in orders:
        if deadline.is_past or patience.is_past:
            break
        assert order.account.user_id is not None
        with isolation.of(order.account.user_id, failing=LEFT):
            try:
                cancel_at_venue(order=order, patience=isolation.patience)
                canceled += 1
            except ExchangeError as error:
                isolation.note(error.__cause__)
    return canceled
