"""How much of a position closes where reducing it may bring an account back. Decimals, in USDT.

As venues liquidate in parts: no more than a share of a position at a time, and no rest too small to
trade (dYdX v4: ``max_position_portion_liquidated_ppm``, ``min_position_notional_liquidated``).
"""

from decimal import ROUND_CEILING, Decimal

from market.kernel.amounts import EXACT, UNIT
from risk.state import InstrumentState, Limits, OpenPosition


def target_level(limits: Limits) -> Decimal:
    """Return the margin ratio that reducing aims at, unrounded: a multiple of the threshold."""
    return EXACT.multiply(limits.close_out_target, limits.liquidation_threshold)


def size_to_close(
    position: OpenPosition, instrument: InstrumentState, limits: Limits, *, slack: Decimal
) -> Decimal:
    """Return how much of a position closes, in whole lots.

    ``slack`` is what the account's equity is above the target, which is negative before it is
    reached. Closing a part ``z ÷ |q|`` at the mark lifts it by as much of ``T × margin − fee``,
    ``T`` being the target. What rounding takes, half a unit of the fee and of the margin at most,
    is closed for as well. No more than the policy's share closes, which does too where no size
    would reach the target, but that a rest below the smallest notional goes with it.
    """
    level, whole = target_level(limits), abs(position.holding.quantity)
    lots = EXACT.divide(whole, instrument.lot_size)
    most = ceil(EXACT.multiply(limits.close_out_share, lots))
    charged = EXACT.multiply(
        EXACT.multiply(whole, position.mark_price), limits.liquidation_fee_rate
    )
    gain = EXACT.subtract(EXACT.multiply(level, position.holding.margin), charged)
    rounding = EXACT.multiply(EXACT.add(level, 1), UNIT / 2)
    missing = EXACT.subtract(rounding, slack)
    if slack < 0 and EXACT.multiply(missing, lots) < EXACT.multiply(gain, most):
        most = ceil(EXACT.divide(EXACT.multiply(missing, lots), gain))
    size = EXACT.multiply(most, instrument.lot_size)
    rest = EXACT.multiply(whole - size, position.mark_price)
    return whole if rest < instrument.min_notional else size


def ceil(value: Decimal) -> Decimal:
    """Return the least whole number that is no smaller."""
    return value.to_integral_value(ROUND_CEILING, EXACT)
