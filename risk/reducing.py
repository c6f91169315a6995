"""How much of a position closes where reducing it may bring an account back. Decimals, in USDT.

As venues liquidate in parts: no more than a share of a position at a time, and no rest too small to
trade (dYdX v4: ``max_position_portion_liquidated_ppm``, ``min_position_notional_liquidated``).
"""

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from market.kernel.amounts import EXACT, UNIT, ZERO
from risk.state import InstrumentState, Limits, OpenPosition


def size_to_close(
    position: OpenPosition,
    instrument: InstrumentState,
    limits: Limits,
    *,
    equity: Decimal,
    others: Decimal,
) -> Decimal:
    """Return how much of a position closes, in whole lots.

    Closing a part ``z ÷ |q|`` at the mark costs its part of the fee, and frees as much of what the
    position requires along each line that this follows. The least ``z`` that brings equity to the
    target, a multiple of what is required, does so along all of them; ``others`` is what the other
    positions require. What rounding takes is closed for as well. No more than the policy's share
    closes, which does too where no size would reach the target, or that is reached already; but a
    rest below the smallest notional goes with it.
    """
    whole, target = abs(position.holding.quantity), limits.close_out_target
    lots = EXACT.divide(whole, instrument.lot_size)
    most = ceil(EXACT.multiply(limits.close_out_share, lots))
    worth = EXACT.multiply(whole, position.mark_price)
    fee = EXACT.multiply(worth, limits.liquidation_fee_rate)
    missing, closing = list[Decimal](), list[Decimal]()
    for slope, constant in lines(position, limits):
        aim = EXACT.multiply(target, EXACT.add(others, EXACT.subtract(slope, constant)))
        missing.append(EXACT.subtract(aim, equity))
        wanted = EXACT.multiply(EXACT.add(missing[-1], rounding(limits)), lots)
        gain = EXACT.subtract(EXACT.multiply(target, slope), fee)
        if wanted > 0:
            fits = wanted < EXACT.multiply(gain, most)
            closing.append(ceil(EXACT.divide(wanted, gain)) if fits else most)
    size = EXACT.multiply(max(closing) if max(missing) > 0 else most, instrument.lot_size)
    rest = EXACT.multiply(whole - size, position.mark_price)
    return whole if rest < instrument.min_notional else size


def lines(position: OpenPosition, limits: Limits) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield what a position requires as ``slope × part that is held − constant``, the largest."""
    by = limits.requirement
    ladder = by.ladder(position.symbol)
    if ladder is None:
        yield EXACT.multiply(by.threshold, position.holding.margin), ZERO
    for bracket in ladder or ():
        yield EXACT.multiply(position.notional, bracket.rate), bracket.cumulative


def rounding(limits: Limits) -> Decimal:
    """Return what rounding takes at most: half a unit of the fee, and of the margin's share."""
    level = EXACT.multiply(limits.close_out_target, limits.liquidation_threshold)
    return EXACT.multiply(EXACT.add(level, 1), UNIT / 2)


def ceil(value: Decimal) -> Decimal:
    """Return the least whole number that is no smaller."""
    return value.to_integral_value(ROUND_CEILING, EXACT)
