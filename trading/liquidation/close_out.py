"""What closing out one account changes: open orders go, then positions, then the deficit.

The rule is the margin close-out rule of ESMA's product intervention, per account and with all its
positions. What the balance cannot pay, the insurance fund pays as far as it reaches; the rest is
recorded as bad debt.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from accounts.models import TransferKind
from market.kernel.amounts import ZERO
from risk.execution import execute
from risk.margin import fee
from risk.models import LiquidationMode
from risk.state import AccountState, Limits, OpenPosition
from trading.booking.changes import AccountChanges
from trading.liquidation.insurance import InsuranceFund
from trading.models import Liquidation, Order, OrderStatus, OrderType, Side


def close_out(
    changes: AccountChanges,
    limits: Limits,
    *,
    liquidation_id: int,
    order_ids: Iterator[int],
    open_orders: Iterable[Order],
    fund: InsuranceFund,
) -> Liquidation:
    """Book the close-out of an account in breach and return what was done, in USDT.

    ``open_orders`` are its orders that rest here; every closing order takes one of ``order_ids``.
    """
    liquidation = changes.liquidation = new_liquidation(changes, limits, liquidation_id)
    for order in open_orders:
        cancel(changes, order)
    close_positions(changes, limits, order_ids)
    liquidation.insurance_paid, liquidation.bad_debt = fund.cover_deficit(changes, liquidation)
    record_outcome(liquidation, changes.state)
    return liquidation


def new_liquidation(changes: AccountChanges, limits: Limits, liquidation_id: int) -> Liquidation:
    """Return a liquidation with the account's figures before it."""
    before = changes.state
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
        created_at=changes.now,
    )


def cancel(changes: AccountChanges, order: Order) -> None:
    """Cancel an open order and give back what it reserves."""
    changes.change_order(order)
    changes.release(order)
    order.status = OrderStatus.CANCELED


def close_positions(changes: AccountChanges, limits: Limits, order_ids: Iterator[int]) -> None:
    """Close positions at their marks, the largest loss first, as far as the policy's mode goes."""
    for position in sorted(
        changes.state.positions.values(), key=lambda p: (p.unrealized_pnl, p.symbol)
    ):
        if limits.liquidation_mode == LiquidationMode.LARGEST_LOSS_FIRST and is_restored(
            changes.state, limits.liquidation_threshold
        ):
            break
        close_position(changes, position, next(order_ids), limits.liquidation_fee_rate)


def is_restored(account: AccountState, threshold: Decimal) -> bool:
    """Tell whether a partial close-out may stop.

    Besides the ratio, the realised losses must be paid: while the balance is negative, profits of
    the remaining positions pay for them before the insurance fund does.
    """
    return not account.is_in_breach(threshold) and account.balance >= 0


def close_position(
    changes: AccountChanges, position: OpenPosition, order_id: int, fee_rate: Decimal
) -> None:
    """Close one position at its mark price, as an order, a trade and its transfers."""
    order = closing_order(changes, position, order_id)
    changes.add_order(order)
    execution = execute(
        position.holding,
        -position.holding.quantity,
        price=position.mark_price,
        leverage=position.leverage,
        fee_rate=ZERO,
        reduce_only=True,
    )
    changes.fill(order, execution, position.mark_price)
    order.accepted_as = order.status
    charged = min(fee(order.size, position.mark_price, fee_rate), max(changes.state.balance, ZERO))
    changes.post(TransferKind.LIQUIDATION_FEE, -charged, order)


def closing_order(changes: AccountChanges, position: OpenPosition, order_id: int) -> Order:
    """Return the order by which the exchange closes a position."""
    return Order(
        id=order_id,
        account_id=changes.state.account_id,
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
        created_at=changes.now,
        updated_at=changes.now,
    )


def record_outcome(liquidation: Liquidation, after: AccountState) -> None:
    """Note the account's figures after the close-out."""
    liquidation.margin_ratio_after = after.margin_ratio
    liquidation.equity_after = after.equity
    liquidation.margin_after = after.position_margin
