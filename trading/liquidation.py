"""Closes out accounts whose margin ratio is below the threshold.

The rule is the margin close-out rule of ESMA's product intervention, per account and with all its
positions. What the balance cannot pay, the insurance fund pays as far as it reaches; the rest is
recorded as bad debt.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import structlog
from django.db import connection, transaction
from django.utils import timezone

from accounts.locks import lock_account
from accounts.models import TransferKind
from market.amounts import ZERO
from risk.bounds import users_in_breach
from risk.execution import execute
from risk.margin import fee
from risk.models import LiquidationMode
from risk.selectors import read_risk_state
from risk.state import AccountState, Limits, OpenPosition
from trading.book import Book
from trading.booking import write
from trading.deficit import cover_deficit
from trading.models import Liquidation, Order, OrderStatus, OrderType, Side
from trading.retrying import until_mark_holds

log = structlog.get_logger(__name__)


def sweep_liquidations(*, shard: int = 0, shards: int = 1) -> list[Liquidation]:
    """Close out every account in breach, or those of one shard, and return what was done.

    Each account is its own transaction: a sweep that dies halfway is finished by the next one, and
    two sweeps at once close out each account once. An account that fails is logged and left to the
    next sweep, so that it cannot shield the others.
    """
    done = []
    for user_id in users_in_breach(shard=shard, shards=shards):
        try:
            liquidation = liquidate(user_id=user_id)
        except Exception:
            log.exception("liquidation_failed", user_id=user_id)
            continue
        if liquidation is not None:
            done.append(liquidation)
    return done


@until_mark_holds
@transaction.atomic
def liquidate(*, user_id: int) -> Liquidation | None:
    """Close out the account of a user if, under its lock, it still is in breach."""
    account_id = lock_account(user_id=user_id)
    state = read_risk_state(account_id=account_id)
    limits, before = state.limits, state.account
    if not before.is_in_breach(limits.liquidation_threshold):
        return None
    book = Book(before, timezone.now())
    ids = draw_ids(before)
    liquidation = book.liquidation = new_liquidation(ids.liquidation, before, limits, book.now)
    cancel_orders(book, ids.open_orders)
    close_positions(book, limits, ids.closing_orders)
    liquidation.insurance_paid, liquidation.bad_debt = cover_deficit(book, liquidation)
    record_outcome(liquidation, book.state)
    write(book)
    log.info(
        "liquidation",
        user_id=user_id,
        liquidation_id=liquidation.pk,
        margin_ratio=str(liquidation.margin_ratio_before),
        insurance_paid=str(liquidation.insurance_paid),
        bad_debt=str(liquidation.bad_debt),
    )
    return liquidation


# All that a close-out needs beside the account's state, in one round trip. An order that rests at
# another venue is that venue's fact.
DRAW_IDS: Final = """
SELECT nextval('trading_liquidation_id_seq'),
       ARRAY(SELECT nextval('trading_order_id_seq') FROM generate_series(1, %(positions)s)),
       ARRAY(SELECT id FROM trading_order
             WHERE account_id = %(account)s AND venue = 'simulated'
                 AND status IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED'))
"""


class Ids(NamedTuple):
    """Ids for a close-out: its own, one per closing order, and those of the open orders."""

    liquidation: int
    closing_orders: list[int]
    open_orders: list[int]


def draw_ids(account: AccountState) -> Ids:
    """Reserve the ids of a close-out and find the account's open orders."""
    with connection.cursor() as cursor:
        cursor.execute(
            DRAW_IDS, {"positions": len(account.positions), "account": account.account_id}
        )
        return Ids(*cursor.fetchone())


def new_liquidation(
    liquidation_id: int, before: AccountState, limits: Limits, now: datetime
) -> Liquidation:
    """Return a liquidation with the account's figures before it."""
    assert before.margin_ratio is not None
    return Liquidation(
        id=liquidation_id,
        account_id=before.account_id,
        mode=limits.liquidation_mode,
        threshold=limits.liquidation_threshold,
        margin_ratio_before=before.margin_ratio,
        equity_before=before.equity,
        margin_before=before.position_margin,
        insurance_paid=ZERO,
        bad_debt=ZERO,
        created_at=now,
    )


def cancel_orders(book: Book, order_ids: Sequence[int]) -> None:
    """Cancel open orders and give back what they reserve."""
    for order in Order.objects.filter(pk__in=order_ids) if order_ids else ():
        book.change_order(order)
        book.release(order)
        order.status = OrderStatus.CANCELED


def close_positions(book: Book, limits: Limits, order_ids: Sequence[int]) -> None:
    """Close positions at their marks, the largest loss first, as far as the policy's mode goes."""
    positions = sorted(book.state.positions.values(), key=lambda p: (p.unrealized_pnl, p.symbol))
    for position, order_id in zip(positions, order_ids, strict=True):
        if limits.liquidation_mode == LiquidationMode.LARGEST_LOSS_FIRST and is_restored(
            book.state, limits.liquidation_threshold
        ):
            break
        close_position(book, position, order_id, limits.liquidation_fee_rate)


def is_restored(account: AccountState, threshold: Decimal) -> bool:
    """Tell whether a partial close-out may stop.

    Besides the ratio, the realised losses must be paid: while the balance is negative, profits of
    the remaining positions pay for them before the insurance fund does.
    """
    return not account.is_in_breach(threshold) and account.balance >= 0


def close_position(book: Book, position: OpenPosition, order_id: int, fee_rate: Decimal) -> None:
    """Close one position at its mark price, as an order, a trade and its transfers."""
    order = closing_order(book, position, order_id)
    book.add_order(order)
    execution = execute(
        position.holding,
        -position.holding.quantity,
        price=position.mark_price,
        leverage=position.leverage,
        fee_rate=ZERO,
        reduce_only=True,
    )
    book.fill(order, execution, position.mark_price)
    order.accepted_as = order.status
    charged = min(fee(order.size, position.mark_price, fee_rate), max(book.state.balance, ZERO))
    book.post(TransferKind.LIQUIDATION_FEE, -charged, order)


def closing_order(book: Book, position: OpenPosition, order_id: int) -> Order:
    """Return the order by which the exchange closes a position."""
    return Order(
        id=order_id,
        account_id=book.state.account_id,
        instrument_id=position.instrument_id,
        symbol=position.symbol,
        side=Side.SELL if position.holding.quantity > 0 else Side.BUY,
        type=OrderType.MARKET,
        size=abs(position.holding.quantity),
        leverage=position.leverage,
        reduce_only=True,
        liquidation=True,
        status=OrderStatus.NEW,
        filled_size=ZERO,
        required_margin=ZERO,
        reserved_margin=ZERO,
        reserved_notional=ZERO,
        created_at=book.now,
        updated_at=book.now,
    )


def record_outcome(liquidation: Liquidation, after: AccountState) -> None:
    """Note the account's figures after the close-out."""
    liquidation.margin_ratio_after = after.margin_ratio
    liquidation.equity_after = after.equity
    liquidation.margin_after = after.position_margin
