"""The order check: holds an order against account, instrument and limits, and says what it does.

Pure: the caller has locked the account and read the state in its transaction. The global exposure
threshold is the one limit that is not decided here: only the database can hold it against all
other orders of the moment, in the statement that books this one.
"""

from datetime import datetime
from decimal import Decimal

from market.kernel.amounts import EXACT, ZERO
from risk.brackets import below_maintenance, opens_below_maintenance
from risk.candidate import Approval, Candidate, Intent
from risk.checks import CHECKS
from risk.denials import Denial, deny
from risk.execution import execute, is_affordable
from risk.exposure import ExposureChange
from risk.leverage import resolve_leverage
from risk.margin import fee, notional, required_margin
from risk.state import RiskState

#: What all others find here, though it stands in a module of its own.
__all__ = ["Approval", "Candidate", "Intent", "check_order", "check_resting", "value_sent"]


def value_sent(intent: Intent, state: RiskState, now: datetime, *, goes_out: bool) -> Decimal:
    """Return what an accepted order adds to what its account has sent: none if it only reduces."""
    order = Candidate(intent, state, now, goes_out)
    return ZERO if order.only_reduces else order.value


def check_order(
    intent: Intent, state: RiskState, now: datetime, *, goes_out: bool = False
) -> Approval | Denial:
    """Hold an order against every rule but the global threshold; the first that fails answers."""
    order = Candidate(intent, state, now, goes_out)
    for check in CHECKS:
        denial = check(order)
        if denial is not None:
            return denial
    return check_execution(order) if order.crosses else check_resting(order)


def check_execution(order: Candidate) -> Approval | Denial:
    """Check an order that fills at once: it closes first and needs margin to open the rest."""
    leverage, account = leverage_of(order), order.account
    execution = execute(
        account.holding(order.instrument.id),
        order.intent.signed(order.intent.size),
        price=order.mark_price,
        leverage=leverage,
        fee_rate=order.instrument.taker_fee_rate,
        reduce_only=order.intent.reduce_only,
    )
    fill = execution.fill
    if not is_affordable(account, execution, order.mark_price):
        return deny("insufficient_margin")
    by = order.limits.requirement
    beyond = opens_below_maintenance(account, execution, order.instrument, by)
    if beyond is not None:
        return beyond
    exposure_after = account.exposure + execution.change.valued_at(order.mark_price)
    if fill.opened_size and exposure_after > order.limits.user_exposure_limit:
        return deny("user_exposure_exceeded")
    return Approval(
        leverage=leverage,
        execution=execution,
        required_margin=fill.opened_margin,
        reserved_margin=ZERO,
        reserved_notional=ZERO,
        change=execution.change,
        user_exposure_after=exposure_after,
    )


def check_resting(order: Candidate) -> Approval | Denial:
    """Check an order that rests: it reserves for its whole size, unless it can only reduce."""
    leverage, account, size = leverage_of(order), order.account, order.intent.size
    price = order.intent.price
    assert price is not None
    margin = reserved = ZERO
    if not order.intent.reduce_only:
        margin, reserved = required_margin(size, price, leverage), notional(size, price)
        if account.available_margin - fee(size, price, order.instrument.maker_fee_rate) < margin:
            return deny("insufficient_margin")
        beyond = below_maintenance_elsewhere(order) if order.goes_out else None
        if beyond is not None:
            return beyond
        if account.exposure + reserved > order.limits.user_exposure_limit:
            return deny("user_exposure_exceeded")
    return Approval(
        leverage=leverage,
        execution=None,
        required_margin=margin,
        reserved_margin=margin,
        reserved_notional=reserved,
        change=ExposureChange(order_notional=reserved),
        user_exposure_after=account.exposure + reserved,
    )


def below_maintenance_elsewhere(order: Candidate) -> Denial | None:
    """Ask what may open at another venue as if it were filled: nobody asks again as it fills there.

    At the price that it is checked at, which is no gain where that is better than the mark.
    """
    size, price = order.intent.size, order.price
    beyond = EXACT.multiply(order.intent.signed(size), EXACT.subtract(price, order.mark_price))
    return below_maintenance(
        order.account,
        order.instrument,
        order.limits.requirement,
        notional=order.notional_after,
        lost=EXACT.add(max(beyond, ZERO), fee(size, price, order.instrument.maker_fee_rate)),
    )


def leverage_of(order: Candidate) -> int:
    """The leverage of an order that passed both checks of it."""
    leverage = resolve_leverage(order.intent.leverage, order.highest_leverage)
    assert leverage is not None
    return leverage
