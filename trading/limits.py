"""How much room an account has under the limits of the risk policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from accounts.models import Account
from accounts.selectors import get_account
from market.kernel.amounts import ZERO
from market.kernel.snapshot import consistent_read
from market.kernel.states import TradingState
from market.selectors import current_prices
from risk.maintenance import Ladder
from risk.restraint import strictest
from risk.selectors import global_exposure, read_risk_state
from risk.state import Limits
from risk.throttle import counts_fills
from risk.volatility import highest_leverage
from trading.booking.throttle import fills_in_window
from trading.orders.sent import sent_in_minute
from trading.selectors import open_orders_of


@dataclass(frozen=True, slots=True)
class Room:
    """A limit, what of it is used, and what is left, which is nothing once it is passed."""

    limit: Decimal
    used: Decimal

    @property
    def left(self) -> Decimal:
        return max(self.limit - self.used, ZERO)


@dataclass(frozen=True, slots=True)
class Count:
    """The same of what is counted."""

    limit: int
    used: int

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)


@dataclass(frozen=True, slots=True)
class Fills(Count):
    """How many fills in a window the throttle lets pass; with the last of them it acts."""

    window_seconds: int


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What an order of the account would be held to; exposure in USDT at present marks.

    ``leverage_by_symbol`` is None where leverage does not depend on volatility, and ``ladders`` by
    symbol where positions are not held to brackets, as is whatever else a control says that is off.
    ``throttled`` is what the throttle counted when it held the account back.
    """

    state: TradingState
    max_leverage: int
    max_order_value: Decimal | None
    user_exposure: Room
    global_exposure: Room
    open_orders: Count
    leverage_by_symbol: Mapping[str, int] | None
    ladders: Mapping[str, Ladder] | None
    minute_value: Room | None
    price_band: Decimal | None
    duplicate_seconds: int | None
    fills: Fills | None
    throttled: str


def account_limits(*, user_id: int) -> AccountLimits:
    """Return the limits of a user's account, as they are at one moment. Raises AccountNotFound."""
    with consistent_read():
        return limits_of(get_account(user_id=user_id), user_id)


def limits_of(account: Account, user_id: int) -> AccountLimits:
    snapshot = read_risk_state(account_id=account.pk)
    limits = snapshot.limits
    return AccountLimits(
        state=strictest(limits),
        max_leverage=limits.max_leverage,
        max_order_value=limits.max_order_value,
        user_exposure=Room(limits.user_exposure_limit, snapshot.account.exposure),
        global_exposure=Room(limits.global_exposure_threshold, global_exposure()),
        open_orders=Count(limits.max_open_orders, open_orders_of(user_id=user_id).count()),
        leverage_by_symbol=leverage_by_symbol(limits) if limits.volatility_bands else None,
        ladders=limits.requirement.ladders if limits.requirement.is_by_brackets else None,
        minute_value=minute_value(account, limits),
        price_band=limits.price_band or None,
        duplicate_seconds=limits.duplicate_seconds or None,
        fills=fills(account, limits),
        throttled=limits.throttled,
    )


def minute_value(account: Account, limits: Limits) -> Room | None:
    """Return the value a minute, and what of it the last minute has used, in USDT."""
    if limits.max_minute_value is None:
        return None
    return Room(limits.max_minute_value, sent_in_minute(account_id=account.pk))


def fills(account: Account, limits: Limits) -> Fills | None:
    """Return how many fills the throttle has counted in its window by now; None where none counts.

    Of an account that may only reduce nothing is left, and nothing is counted.
    """
    if not counts_fills(limits):
        return None
    used = fills_in_window(account_id=account.pk, now=timezone.now())
    return Fills(limits.max_fills, used, limits.fills_window_seconds)


def leverage_by_symbol(limits: Limits) -> dict[str, int]:
    """Return the highest leverage of what opens, as ranges leave it now, by symbol."""
    ranges = current_prices().values_list("symbol", "realized_range")
    return {
        symbol: highest_leverage(limits.max_leverage, limits.volatility_bands, realized)
        for symbol, realized in ranges.order_by("symbol")
    }
