"""How much room an account has under the limits of the risk policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

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
from risk.volatility import highest_leverage
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
class AccountLimits:
    """What an order of the account would be held to; exposure in USDT at present marks.

    ``leverage_by_symbol`` is None where leverage does not depend on volatility, and ``ladders`` by
    symbol where positions are not held to brackets.
    """

    state: TradingState
    max_leverage: int
    max_order_value: Decimal | None
    user_exposure: Room
    global_exposure: Room
    open_orders: Count
    leverage_by_symbol: Mapping[str, int] | None
    ladders: Mapping[str, Ladder] | None


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
    )


def leverage_by_symbol(limits: Limits) -> dict[str, int]:
    """Return the highest leverage of what opens, as ranges leave it now, by symbol."""
    ranges = current_prices().values_list("symbol", "realized_range")
    return {
        symbol: highest_leverage(limits.max_leverage, limits.volatility_bands, realized)
        for symbol, realized in ranges.order_by("symbol")
    }
