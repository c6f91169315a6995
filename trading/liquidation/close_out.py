"""What closing out one account changes: open orders go, then positions, then the deficit.

``risk.closing`` says which positions close and what is left to cover. What the balance cannot pay,
the insurance fund pays as far as it reaches; the rest is recorded as bad debt.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal

from market.kernel.amounts import ZERO, round_up
from risk.closing import CloseOut, Standing, close_out
from risk.state import AccountState, Limits, OpenPosition, RiskSnapshot
from trading.booking.changes import AccountChanges
from trading.liquidation.insurance import InsuranceFund
from trading.models import Liquidation, Order, OrderStatus


def book_close_out(
    changes: AccountChanges,
    snapshot: RiskSnapshot,
    *,
    liquidation_id: int,
    order_ids: Iterator[int],
    open_orders: Iterable[Order],
    fund: InsuranceFund,
) -> Liquidation:
    """Book the close-out of an account in breach and return what was done, in USDT.

    ``open_orders`` are its orders that rest here; every closing order takes one of ``order_ids``.
    """
    limits = snapshot.limits
    out = close_out(changes.state, limits, snapshot.instruments)
    liquidation = changes.liquidation = new_liquidation(changes, limits, out, liquidation_id)
    for order in open_orders:
        cancel(changes, order)
    closings = [(closing, next(order_ids)) for closing in out.closings]
    changes.close(closings, liquidation_id)
    changes.state = replace(changes.state, balance=out.balance, positions=left(changes.state, out))
    liquidation.insurance_paid, liquidation.bad_debt = fund.cover_deficit(changes, liquidation)
    return liquidation


def new_liquidation(
    changes: AccountChanges, limits: Limits, out: CloseOut, liquidation_id: int
) -> Liquidation:
    """Return a liquidation with the account's figures before and after it."""
    return Liquidation(
        id=liquidation_id,
        account_id=changes.state.account_id,
        mode=limits.liquidation_mode,
        threshold=limits.liquidation_threshold,
        margin_ratio_before=out.before.ratio,
        equity_before=out.before.equity,
        margin_before=out.before.margin,
        margin_ratio_after=out.after.ratio,
        equity_after=out.after.equity,
        margin_after=out.after.margin,
        maintenance_before=maintenance(limits, out.before),
        maintenance_after=maintenance(limits, out.after),
        insurance_paid=ZERO,
        bad_debt=ZERO,
        created_at=changes.now,
    )


def maintenance(limits: Limits, standing: Standing) -> Decimal | None:
    """Return what positions required by brackets, rounded up; None by shares of the margin."""
    return round_up(standing.required) if limits.requirement.is_by_brackets else None


def cancel(changes: AccountChanges, order: Order) -> None:
    """Cancel an open order and give back what it reserves."""
    changes.change_order(order)
    changes.release(order)
    order.status = OrderStatus.CANCELED


def left(account: AccountState, out: CloseOut) -> dict[int, OpenPosition]:
    """Return the positions that a close-out leaves open."""
    positions = dict(account.positions)
    for closing in out.closings:
        position = positions.pop(closing.position.instrument_id)
        if closing.left.quantity:
            positions[position.instrument_id] = replace(position, holding=closing.left)
    return positions
