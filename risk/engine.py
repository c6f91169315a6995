"""The order check: holds an order against account, instrument and limits, and says what it does.

Pure: the caller has locked the account and read the state in its transaction. The global exposure
threshold is the one limit that is not decided here: only the database can hold it against all
other orders of the moment, in the statement that books this one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from market.kernel.amounts import ZERO, is_valid_multiple, percent, plain
from market.kernel.states import TradingState
from risk.collar import is_within_collar
from risk.denials import Denial, deny
from risk.execution import Execution, execute, is_affordable, reducible_size
from risk.exposure import ExposureChange
from risk.fills import Holding
from risk.leverage import resolve_leverage
from risk.margin import fee, notional, required_margin
from risk.restraint import ACCOUNT, EXCHANGE, INSTRUMENT, TIER, reducing_only
from risk.state import AccountState, InstrumentState, Limits, RiskState
from risk.volatility import highest_leverage


@dataclass(frozen=True, slots=True)
class Intent:
    """What a client asks for. ``price`` is the limit price, None for a market order.

    ``closes`` asks for the end of a position: its side and size are those of what is open when it
    is decided, ``filled_in`` by then.
    """

    symbol: str
    is_buy: bool
    size: Decimal
    price: Decimal | None = None
    leverage: int | None = None
    reduce_only: bool = False
    closes: bool = False

    def filled_in(self, holding: Holding) -> "Intent":
        """Return what the intent asks of a holding."""
        if not self.closes:
            return self
        return replace(self, is_buy=holding.quantity < 0, size=abs(holding.quantity))

    def signed(self, size: Decimal) -> Decimal:
        return size if self.is_buy else -size


@dataclass(frozen=True, slots=True)
class Approval:
    """An order that passed; it fills at once (``execution``) or rests and reserves."""

    leverage: int
    execution: Execution | None
    required_margin: Decimal
    reserved_margin: Decimal
    reserved_notional: Decimal
    change: ExposureChange
    user_exposure_after: Decimal

    @property
    def opens(self) -> bool:
        """Whether the order adds risk, now or when it fills."""
        return bool(self.reserved_notional or (self.execution and self.execution.fill.opened_size))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order beside all that its checks look at.

    ``goes_out`` tells that it goes to another venue and stays open until that has answered.
    """

    intent: Intent
    state: RiskState
    now: datetime
    goes_out: bool = False

    @property
    def limits(self) -> Limits:
        return self.state.limits

    @property
    def account(self) -> AccountState:
        return self.state.account

    @property
    def instrument(self) -> InstrumentState:
        """The instrument; only asked for once the symbol is known."""
        assert self.state.instrument is not None
        return self.state.instrument

    @property
    def mark_price(self) -> Decimal:
        """The mark; only asked for once it is known to be fresh."""
        assert self.instrument.mark_price is not None
        return self.instrument.mark_price

    @property
    def crosses(self) -> bool:
        """Whether the order fills at once: a market order, or a limit at the mark or beyond."""
        limit = self.intent.price
        if limit is None:
            return True
        return limit >= self.mark_price if self.intent.is_buy else limit <= self.mark_price

    @property
    def price(self) -> Decimal:
        """What a unit is checked at: the mark where the order fills at once, else its limit.

        Elsewhere it may fill at the higher of both, as a sale may above its limit.
        """
        limit = self.intent.price
        if limit is None or (self.crosses and not self.goes_out):
            return self.mark_price
        return max(limit, self.mark_price) if self.crosses else limit

    @property
    def value(self) -> Decimal:
        return notional(self.intent.size, self.price)

    @property
    def only_reduces(self) -> bool:
        """Whether nothing can open by it: reduce-only, or filled at once within what is held."""
        if self.intent.reduce_only:
            return True
        held = reducible_size(self.state.holding, self.intent.signed(self.intent.size))
        return not self.rests and self.intent.size <= held

    @property
    def rests(self) -> bool:
        """Whether the order is open for a while: until its price is reached or a venue answers."""
        return self.goes_out or not self.crosses

    @property
    def highest_leverage(self) -> int:
        """The tier's highest leverage, of an order that may open what the range leaves of it."""
        highest, bands = self.limits.max_leverage, self.limits.volatility_bands
        left = highest_leverage(highest, bands, self.instrument.realized_range)
        return highest if left < highest and self.only_reduces else left


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
    return held_back(order, ACCOUNT) if order.limits.account_reducing else None


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
    highest = order.highest_leverage
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


def value_sent(intent: Intent, state: RiskState, now: datetime, *, goes_out: bool) -> Decimal:
    """Return what an accepted order adds to what its account has sent: none if it only reduces."""
    order = Candidate(intent, state, now, goes_out)
    return ZERO if order.only_reduces else order.value


#: The checks that need no arithmetic of margins, in the order in which they answer.
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
    reduce_only_rejected,
    too_many_open_orders,
)


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


def leverage_of(order: Candidate) -> int:
    """The leverage of an order that passed both checks of it."""
    leverage = resolve_leverage(order.intent.leverage, order.highest_leverage)
    assert leverage is not None
    return leverage
