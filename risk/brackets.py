"""Why a position may not grow: by the maintenance brackets of its instrument. Pure."""

from decimal import Decimal
from functools import reduce

from market.kernel.amounts import EXACT, plain, round_up
from risk.denials import Denial, deny
from risk.execution import Execution
from risk.maintenance import Requirement, bracket_of, maintenance
from risk.margin import is_in_breach
from risk.margin import notional as notional_of
from risk.state import AccountState, InstrumentState


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


def opens_below_maintenance(
    account: AccountState, execution: Execution, instrument: InstrumentState, by: Requirement
) -> Denial | None:
    """Return why an account may not open what an execution opens: it would be in breach by it.

    To fill at another price than the mark moves equity at the marks by the difference.
    """
    fill, mark_price = execution.fill, instrument.mark_price
    if not fill.opened_size:
        return None
    assert mark_price is not None
    beyond = EXACT.multiply(execution.size, EXACT.subtract(execution.price, mark_price))
    return below_maintenance(
        account,
        instrument,
        by,
        notional=notional_of(fill.holding.quantity, mark_price),
        lost=EXACT.add(beyond, execution.fee),
    )


def below_maintenance(
    account: AccountState,
    instrument: InstrumentState,
    by: Requirement,
    *,
    notional: Decimal,
    lost: Decimal,
) -> Denial | None:
    """Return why an account may not come to hold a notional in USDT in an instrument.

    Its equity at the marks, less what is ``lost`` on the way, would be below what all positions
    then require. By a share, and without a ladder, what opens brings the margin it is held to.
    """
    ladder = by.ladder(instrument.symbol)
    if ladder is None:
        return None
    others = (one for one in account.positions.values() if one.instrument_id != instrument.id)
    start = maintenance(notional, ladder)
    required = reduce(EXACT.add, (one.required(by) for one in others), start)
    equity = EXACT.subtract(account.equity, lost)
    if not is_in_breach(equity, required):
        return None
    return deny("below_maintenance", equity=plain(equity), required=plain(round_up(required)))
