"""The checks of an order that need no arithmetic of margins, in the order in which they answer."""

from collections.abc import Callable
from datetime import timedelta

from market.kernel.amounts import ZERO, is_valid_multiple, percent, plain
from market.kernel.states import TradingState
from risk.brackets import beyond_brackets
from risk.candidate import Candidate
from risk.collar import is_within_collar
from risk.denials import Denial, deny
from risk.execution import reducible_size
from risk.leverage import resolve_leverage
from risk.margin import notional
from risk.restraint import EXCHANGE, INSTRUMENT, TIER, account_named, reducing_only


def trading_halted(order: Candidate) -> Denial | None:
    return deny("trading_halted") if order.limits.trading_halted else None


def held_back(order: Candidate, whose: str) -> Denial | None:
    """Refuse what may open; what has no mark yet is left to the checks of symbol and mark."""
    instrument = order.state.instrument
    if instrument is None or instrument.mark_price is None or order.only_reduces:
        return None
    return reducing_only(whose)


def exchange_reducing(order: Candidate) -> Denial | None:
    return held_back(order, EXCHANGE) if order.limits.trading_reducing else None


def stale_price(order: Candidate) -> Denial | None:
    instrument = order.state.instrument
    if instrument is None:
        return None
    if instrument.mark_price is None or instrument.marked_at is None:
        return deny("stale_price")
    age = order.now - instrument.marked_at
    fresh = age <= timedelta(seconds=order.limits.max_mark_age_seconds)
    return None if fresh else deny("stale_price")


def account_suspended(order: Candidate) -> Denial | None:
    return deny("account_suspended") if order.limits.suspended else None


def account_reducing(order: Candidate) -> Denial | None:
    whose = account_named(order.limits)
    return held_back(order, whose) if order.limits.account_reducing else None


def tier_halted(order: Candidate) -> Denial | None:
    return deny("tier_halted") if order.limits.tier_state == TradingState.HALTED else None


def tier_reducing(order: Candidate) -> Denial | None:
    return held_back(order, TIER) if order.limits.tier_state == TradingState.REDUCING else None


def unknown_symbol(order: Candidate) -> Denial | None:
    return deny("unknown_symbol") if order.state.instrument is None else None


def instrument_halted(order: Candidate) -> Denial | None:
    return deny("instrument_halted") if order.instrument.halted else None


def instrument_reducing(order: Candidate) -> Denial | None:
    return held_back(order, INSTRUMENT) if order.instrument.reducing else None


def invalid_size(order: Candidate) -> Denial | None:
    if order.intent.closes or is_valid_multiple(order.intent.size, order.instrument.lot_size):
        return None
    return deny("invalid_size", lot_size=plain(order.instrument.lot_size))


def invalid_price(order: Candidate) -> Denial | None:
    price = order.intent.price
    if price is None or is_valid_multiple(price, order.instrument.tick_size):
        return None
    return deny("invalid_price", tick_size=plain(order.instrument.tick_size))


def below_min_notional(order: Candidate) -> Denial | None:
    price = order.mark_price if order.intent.price is None else order.intent.price
    reached = notional(order.intent.size, price) >= order.instrument.min_notional
    if order.intent.closes or reached:
        return None
    return deny("below_min_notional", min_notional=plain(order.instrument.min_notional))


def price_out_of_band(order: Candidate) -> Denial | None:
    """What only reduces is asked too: it may always go out at market."""
    price, band = order.intent.price, order.limits.price_band
    if price is None or not band:
        return None
    if is_within_collar(price=price, mark=order.mark_price, collar=band):
        return None
    return deny("price_out_of_band", percent=plain(100 * band))


def order_value_exceeded(order: Candidate) -> Denial | None:
    """A position may always be closed: what only reduces is not asked."""
    instrument = order.instrument
    size = instrument.max_order_size
    values = order.limits.max_order_value, instrument.max_order_value
    value = min((one for one in values if one is not None), default=None)
    if (size is None and value is None) or order.only_reduces:
        return None
    if size is not None and order.intent.size > size:
        return deny("order_value_exceeded", most=f"{plain(size)} {instrument.symbol}")
    if value is not None and order.value > value:
        return deny("order_value_exceeded", most=f"{plain(value)} USDT")
    return None


def duplicate_order(order: Candidate) -> Denial | None:
    """A second order that may open; what only reduces is not asked, and yet is a first one."""
    seconds, twin_at = order.limits.duplicate_seconds, order.state.twin_at
    if not seconds or twin_at is None or order.only_reduces:
        return None
    again = order.now - twin_at < timedelta(seconds=seconds)
    return deny("duplicate_order", seconds=seconds) if again else None


def order_volume_exceeded(order: Candidate) -> Denial | None:
    most, sent = order.limits.max_minute_value, order.state.sent
    if most is None or sent is None or order.only_reduces:
        return None
    if sent.in_minute + order.value > most:
        return deny("order_volume_exceeded", most=plain(most))
    return None


def leverage_exceeds_tier(order: Candidate) -> Denial | None:
    highest = order.limits.max_leverage
    if resolve_leverage(order.intent.leverage, highest) is None:
        return deny("leverage_exceeds_tier", max_leverage=highest)
    return None


def leverage_exceeds_volatility(order: Candidate) -> Denial | None:
    highest = order.leverage_left
    if resolve_leverage(order.intent.leverage, highest) is not None:
        return None
    return deny(
        "leverage_exceeds_volatility",
        max_leverage=order.limits.max_leverage,
        symbol=order.instrument.symbol,
        minutes=order.limits.volatility_window_minutes,
        realized_range=percent(order.instrument.realized_range or ZERO),
        highest=highest,
    )


def beyond_its_brackets(order: Candidate) -> Denial | None:
    """A position may always be reduced: what only reduces is not asked."""
    by, intent = order.limits.requirement, order.intent
    if not by.is_by_brackets or order.only_reduces:
        return None
    return beyond_brackets(by, intent.symbol, order.notional_after, intent.leverage)


def reduce_only_rejected(order: Candidate) -> Denial | None:
    holding = order.account.holding(order.instrument.id)
    size = order.intent.signed(order.intent.size)
    if order.intent.reduce_only and reducible_size(holding, size) == 0:
        return deny("reduce_only_rejected")
    return None


def too_many_open_orders(order: Candidate) -> Denial | None:
    most = order.limits.max_open_orders
    if order.rests and order.state.open_orders >= most:
        return deny("too_many_open_orders", max_open_orders=most)
    return None


CHECKS: tuple[Callable[[Candidate], Denial | None], ...] = (
    trading_halted,
    exchange_reducing,
    stale_price,
    account_suspended,
    account_reducing,
    tier_halted,
    tier_reducing,
    unknown_symbol,
    instrument_halted,
    instrument_reducing,
    invalid_size,
    invalid_price,
    below_min_notional,
    price_out_of_band,
    order_value_exceeded,
    duplicate_order,
    order_volume_exceeded,
    leverage_exceeds_tier,
    leverage_exceeds_volatility,
    beyond_its_brackets,
    reduce_only_rejected,
    too_many_open_orders,
)
