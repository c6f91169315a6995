"""Fills resting limit orders whose price a market step has reached, at their limit price.

Chunk by chunk, each of one account and in a transaction of its own: what fails is logged and left
to the next step, and keeps no other order waiting.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.locks import lock_account
from market.kernel.locks import limit_lock_waits
from risk.brackets import beyond_brackets, opens_below_maintenance
from risk.denials import Denial, deny
from risk.execution import Execution, execute, is_affordable, reducible_size
from risk.margin import notional
from risk.restraint import restraint
from risk.selectors import read_risk_state
from risk.state import AccountState, InstrumentState, Limits, RiskSnapshot
from trading.booking.changes import AccountChanges
from trading.booking.isolation import Isolation
from trading.booking.retrying import until_mark_holds
from trading.booking.throttle import Throttle, read_throttles
from trading.booking.writing import write
from trading.models import OPEN_STATUSES, Order, OrderStatus, Side

#: Orders that fill in one transaction: more save round trips, fewer keep their account less long.
CHUNK: Final = 100


@dataclass(frozen=True, slots=True)
class Fills:
    """The orders that ended, and the users some of whose orders are left to the next step."""

    ended: Sequence[Order]
    unfinished: set[int]


#: In SQL, whether a step to a mark reaches the order ``resting`` of ``instrument``.
IS_REACHED: Final = """(
    NOT instrument.halted AND resting.status IN ('NEW', 'PARTIALLY_FILLED')
    AND resting.venue = 'simulated'
    AND (resting.side = 'buy' AND resting.price >= {mark}
         OR resting.side = 'sell' AND resting.price <= {mark})
)"""
# Those at the marks that are asked about, and those that were reached before; of their columns what
# filling them looks at.
REACHED_AT: Final = """
SELECT id, account_id, instrument_id, symbol, side, size, price, leverage, reduce_only, liquidation,
       status, filled_size, average_price, reserved_margin, reserved_notional
FROM trading_order WHERE id = ANY(ARRAY(
    SELECT resting.id
    FROM unnest(%(instruments)s::bigint[], %(marks)s::numeric[]) AS at (instrument_id, mark)
    JOIN market_instrument AS instrument ON instrument.id = at.instrument_id
    JOIN trading_order AS resting ON resting.instrument_id = instrument.id
    WHERE {is_reached}
    UNION
    SELECT id FROM trading_order
    WHERE status IN ('NEW', 'PARTIALLY_FILLED') AND triggered_at IS NOT NULL
    LIMIT %(most)s
))
ORDER BY account_id, id
""".replace("{is_reached}", IS_REACHED.format(mark="at.mark"))


def orders_reached_at(marks: Mapping[int, Decimal], *, most: int) -> list[Order]:
    """Return the orders, ``most`` at most, that a step to marks by instrument id would fill.

    By account, and as they were accepted.
    """
    asked = {"instruments": list(marks), "marks": list(marks.values()), "most": most}
    return list(Order.objects.raw(REACHED_AT, asked))


def reached_orders() -> QuerySet[Order]:
    """Resting orders that a market step has reached and nobody has filled yet."""
    return Order.objects.filter(
        status__in=[OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED], triggered_at__isnull=False
    )


def fill_reached_orders() -> Fills:
    """Fill every reached order, chunk by chunk; one that fails holds up no other."""
    isolation, ended = Isolation(), list[Order]()
    for user_id, order_ids in chunks_of_reached_orders():
        with isolation.of(user_id, failing="fills_failed"):
            ended += fill_orders_of(
                user_id=user_id, order_ids=order_ids, patience=isolation.patience
            )
    return Fills(ended, isolation.unfinished)


def chunks_of_reached_orders() -> Iterator[tuple[int, list[int]]]:
    """Yield (user id, ids of reached orders): the first chunk of every account, then the second.

    So no account waits for one that has more orders than a chunk.
    """
    own: defaultdict[int, list[int]] = defaultdict(list)
    rows = reached_orders().order_by("account_id", "id").values_list("account__user_id", "id")
    for user_id, order_id in rows:
        assert user_id is not None
        own[user_id].append(order_id)
    longest = max(map(len, own.values()), default=0)
    for start in range(0, longest, CHUNK):
        for user_id, order_ids in own.items():
            if chunk := order_ids[start : start + CHUNK]:
                yield user_id, chunk


@until_mark_holds
@transaction.atomic
def fill_orders_of(*, user_id: int, order_ids: Collection[int], patience: float) -> list[Order]:
    """Fill reached orders of one account as they were accepted, and return those that ended."""
    limit_lock_waits(seconds=patience)
    account_id = lock_account(user_id=user_id)
    orders = list(reached_orders().filter(account_id=account_id, pk__in=order_ids).order_by("id"))
    if not orders:
        return []
    snapshot = read_risk_state(account_id=account_id, symbols={order.symbol for order in orders})
    now = timezone.now()
    throttles = read_throttles([snapshot], fills={account_id: len(orders)})
    changes = changes_of(orders, snapshot, now=now, throttle=throttles.get(account_id))
    write(changes)
    return [order for order in orders if order.status not in OPEN_STATUSES]


def changes_of(
    orders: Iterable[Order],
    snapshot: RiskSnapshot,
    *,
    now: datetime,
    throttle: Throttle | None = None,
) -> AccountChanges:
    """Return what filling reached orders of one account changes of it; nothing is stored."""
    changes = AccountChanges(snapshot.account, now, throttle=throttle)
    for order in orders:
        changes.change_order(order)
        fill_or_end(changes, order, snapshot)
    return changes


def fill_or_end(changes: AccountChanges, order: Order, snapshot: RiskSnapshot) -> None:
    """Fill an order, end it where it can't be filled, or leave it as resting during a halt."""
    instrument = snapshot.instruments[order.symbol]
    assert instrument.mark_price is not None
    if snapshot.limits.trading_halted or instrument.halted:
        # Halted since the price was reached: once that ends, a step looks at the price anew.
        order.triggered_at = None
        return
    changes.release(order)
    held_back = restraint(changes.held(snapshot.limits), instrument)
    outcome = execution_of(order, instrument, changes.state, held_back)
    if isinstance(outcome, Execution):
        outcome = opens_too_much(outcome, instrument, changes.state, snapshot.limits) or outcome
    if isinstance(outcome, Denial):
        order.status = OrderStatus.EXPIRED
        order.reject_code, order.reject_detail = outcome.code, outcome.detail
    else:
        changes.fill(order, outcome, instrument.mark_price)


def opens_too_much(
    execution: Execution, instrument: InstrumentState, account: AccountState, limits: Limits
) -> Denial | None:
    """Return why a fill may not open what it opens, by brackets.

    Since the order rests, others have filled and marks have moved.
    """
    assert instrument.mark_price is not None
    fill = execution.fill
    if not fill.opened_size:
        return None
    worth, by = notional(fill.holding.quantity, instrument.mark_price), limits.requirement
    return beyond_brackets(
        by, instrument.symbol, worth, execution.leverage
    ) or opens_below_maintenance(account, execution, instrument, by)


def execution_of(
    order: Order, instrument: InstrumentState, account: AccountState, held_back: Denial | None
) -> Execution | Denial:
    """Return the fill of a reached order that reserves nothing any more, or why there is none.

    While it is ``held_back`` an order may only reduce.
    """
    assert instrument.mark_price is not None
    assert order.price is not None
    assert order.leverage is not None
    holding = account.holding(instrument.id)
    left = order.size - order.filled_size
    size = left if order.side == Side.BUY else -left
    if (order.reduce_only or held_back) and reducible_size(holding, size) == 0:
        nothing = deny("reduce_only_rejected")
        return nothing if order.reduce_only else held_back or nothing
    execution = execute(
        holding,
        size,
        price=order.price,
        leverage=order.leverage,
        fee_rate=instrument.maker_fee_rate,
        reduce_only=order.reduce_only or held_back is not None,
    )
    if is_affordable(account, execution, instrument.mark_price):
        return execution
    return deny("insufficient_margin")
