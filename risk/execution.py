"""One execution of an order against a position: what trades, what it realises and what it costs."""

from dataclasses import dataclass
from decimal import Decimal

from market.kernel.amounts import EXACT, ZERO
from risk.exposure import ExposureChange, change_of_position
from risk.fills import Fill, Holding, apply_fill
from risk.margin import fee
from risk.state import AccountState


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill of signed ``size`` at ``price``, its outcome, its fee and its change of exposure."""

    size: Decimal
    price: Decimal
    leverage: int
    fill: Fill
    fee: Decimal
    change: ExposureChange


def execute(
    holding: Holding,
    size: Decimal,
    *,
    price: Decimal,
    leverage: int,
    fee_rate: Decimal,
    reduce_only: bool,
) -> Execution:
    """Fill signed ``size`` at ``price``; a reduce-only order fills as far as the position goes.

    A reduce-only order must have something to reduce.
    """
    if reduce_only:
        reducible = reducible_size(holding, size)
        size = min(size, reducible) if size > 0 else max(size, -reducible)
    fill = apply_fill(holding, size, price, leverage)
    return Execution(
        size=size,
        price=price,
        leverage=leverage,
        fill=fill,
        fee=fee(size, price, fee_rate),
        change=change_of_position(holding.quantity, fill.holding.quantity),
    )


def reducible_size(holding: Holding, size: Decimal) -> Decimal:
    """Return how much of the position an order of signed ``size`` stands against, unsigned."""
    return max(-holding.quantity if size > 0 else holding.quantity, ZERO)


def is_affordable(account: AccountState, execution: Execution, mark_price: Decimal) -> bool:
    """Tell whether an account can settle an execution and has the margin for what it opens.

    ``account`` is valued at ``mark_price``: to close at another price moves its equity by the
    difference.
    """
    fill = execution.fill
    if not can_settle(account, execution):
        return False
    if not fill.opened_size:
        return True
    closed = fill.closed_size if execution.size < 0 else -fill.closed_size
    gain = EXACT.multiply(closed, EXACT.subtract(execution.price, mark_price))
    available = account.available_margin + fill.released_margin + gain - execution.fee
    return available >= fill.opened_margin


def can_settle(account: AccountState, execution: Execution) -> bool:
    """Tell whether the balance covers the realised loss and the fee: it is never below zero."""
    return account.balance + execution.fill.realized_pnl >= execution.fee
