"""Margin arithmetic in USDT: what a position ties up, and when its account is closed out.

What equity is held against, ``required``, is what ``risk.maintenance.Requirement`` says of the
positions. Sources: required margin = order size × price ÷ leverage; the margin ratio and its
close-out level follow the margin close-out rule of ESMA's product intervention (50 % of the initial
margin). Decimals in, Decimals out.
"""

from decimal import Decimal

from market.kernel.amounts import EXACT, round_half_even, round_up


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Return ``|quantity| × price``; exact, since tick × lot is a multiple of the unit."""
    return round_half_even(EXACT.multiply(abs(quantity), price))


def required_margin(size: Decimal, price: Decimal, leverage: int) -> Decimal:
    """Return ``size × price ÷ leverage``, rounded up to eight places."""
    return round_up(EXACT.divide(EXACT.multiply(abs(size), price), Decimal(leverage)))


def share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return ``amount × part ÷ whole``, half-even; all of ``amount`` when part equals whole."""
    if part == whole:  # most closes whole: the quotient would cost ten times as much
        return round_half_even(amount)
    return round_half_even(EXACT.divide(EXACT.multiply(amount, part), whole))


def fee(size: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Return ``size × price × rate``, half-even to eight places."""
    return round_half_even(EXACT.multiply(EXACT.multiply(abs(size), price), rate))


def margin_ratio(equity: Decimal, position_margin: Decimal) -> Decimal | None:
    """Return ``equity ÷ position margin``, half-even; None where no margin is tied up."""
    if position_margin == 0:
        return None
    return round_half_even(EXACT.divide(equity, position_margin))


def initial_share(position_margin: Decimal, threshold: Decimal) -> Decimal:
    """Return ``threshold × position margin``, unrounded."""
    return EXACT.multiply(threshold, position_margin)


def margin_slack(equity: Decimal, required: Decimal) -> Decimal:
    """Return what equity may lose until it is what is required; below zero in breach."""
    return EXACT.subtract(equity, required)


def is_in_breach(equity: Decimal, required: Decimal) -> bool:
    """Tell whether equity lies below what is required.

    Of a share of the initial margin, this is the unrounded form of ``margin ratio < threshold``, so
    that no breach hides in a rounding, nor in what is left of a position once its margin was
    rounded away. SQL asks the same of its own ``margin_slack``. Without positions equity is the
    balance, which is never negative.
    """
    return margin_slack(equity, required) < 0


def liquidation_price(
    *,
    quantity: Decimal,
    mark_price: Decimal,
    equity: Decimal,
    required: Decimal,
) -> Decimal | None:
    """Return the mark at which equity is what is required, other marks and that unchanged.

    Solves ``equity + quantity × (p − mark) = required`` for p. None when no positive price gets
    there.
    """
    slack = margin_slack(equity, required)
    price = round_half_even(EXACT.subtract(mark_price, EXACT.divide(slack, quantity)))
    return price if price > 0 else None
