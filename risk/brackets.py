"""Why a position may not grow: by the maintenance brackets of its instrument. Pure."""

from decimal import Decimal

from market.kernel.amounts import plain
from risk.denials import Denial, deny
from risk.maintenance import Requirement, bracket_of


def highest_by_brackets(by: Requirement, symbol: str, notional: Decimal) -> int | None:
    """Return the largest leverage of a position of a notional; None where no bracket says one."""
    ladder = by.ladder(symbol)
    bracket = bracket_of(notional, ladder) if ladder else None
    return bracket.max_leverage if bracket else None


def beyond_brackets(
    by: Requirement, symbol: str, notional: Decimal, leverage: int | None
) -> Denial | None:
    """Return why a position may not come to a notional in USDT at a leverage, if one is asked for.

    By brackets an instrument without a ladder is one of which nothing is known, and opens nothing.
    """
    if not by.is_by_brackets:
        return None
    ladder = by.ladder(symbol)
    if ladder is None:
        return deny("brackets_missing", symbol=symbol)
    bracket = bracket_of(notional, ladder)
    if bracket is None:
        return deny("position_exceeds_brackets", symbol=symbol, cap=plain(ladder[-1].cap))
    if leverage is None or leverage <= bracket.max_leverage:
        return None
    return deny(
        "leverage_exceeds_bracket",
        symbol=symbol,
        notional=plain(notional),
        highest=bracket.max_leverage,
        asked=leverage,
    )
