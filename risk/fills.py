"""What a fill does to a position: open, increase, reduce, close or flip. Decimals only."""

from dataclasses import dataclass
from decimal import Decimal

from market.kernel.amounts import ZERO
from risk.margin import notional, required_margin, share


@dataclass(frozen=True, slots=True)
class Holding:
    """A position's numbers: signed quantity, signed cost and margin, the latter two in USDT."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    margin: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Fill:
    """The outcome of a fill: ``holding`` is what is held after it.

    ``closed_size`` and ``opened_size`` add up to its size; both are above zero where it flips the
    position.
    """

    holding: Holding
    closed_size: Decimal
    opened_size: Decimal
    realized_pnl: Decimal
    released_margin: Decimal
    opened_margin: Decimal


def apply_fill(holding: Holding, size: Decimal, price: Decimal, leverage: int) -> Fill:
    """Apply a fill of signed ``size`` at ``price`` to ``holding``.

    The opposite side closes first: cost and margin leave in proportion, rounded half-even, and
    all of them when the position reaches zero, so that no unit is made or lost. What is left
    opens at ``leverage``.
    """
    opposite = (holding.quantity > 0) != (size > 0) and holding.quantity != 0
    closed_size = min(abs(size), abs(holding.quantity)) if opposite else ZERO
    kept, realized_pnl = close_part(holding, closed_size, price)
    opened_size = abs(size) - closed_size
    opened_margin = required_margin(opened_size, price, leverage)
    opened_notional = notional(opened_size, price)
    if size < 0:
        opened_size, opened_notional = -opened_size, -opened_notional
    return Fill(
        holding=Holding(
            quantity=kept.quantity + opened_size,
            cost=kept.cost + opened_notional,
            margin=kept.margin + opened_margin,
        ),
        closed_size=closed_size,
        opened_size=abs(opened_size),
        realized_pnl=realized_pnl,
        released_margin=holding.margin - kept.margin,
        opened_margin=opened_margin,
    )


def close_part(holding: Holding, size: Decimal, price: Decimal) -> tuple[Holding, Decimal]:
    """Close ``size`` (unsigned) of ``holding`` at ``price``; return (rest, realised P&L)."""
    if size == 0:
        return holding, ZERO
    whole = abs(holding.quantity)
    cost_part = share(holding.cost, size, whole)
    margin_part = share(holding.margin, size, whole)
    signed_size = size if holding.quantity > 0 else -size
    proceeds = notional(size, price) if holding.quantity > 0 else -notional(size, price)
    left = Holding(
        quantity=holding.quantity - signed_size,
        cost=holding.cost - cost_part,
        margin=holding.margin - margin_part,
    )
    return left, proceeds - cost_part
