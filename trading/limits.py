"""How much room an account has under the limits of the risk policy."""

from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from accounts.selectors import get_account
from market.kernel.amounts import ZERO
from market.kernel.snapshot import consistent_read
from risk.selectors import global_exposure, read_risk_state
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
    """What an order of the account would be held to; exposure in USDT at present marks."""

    max_leverage: int
    max_order_value: Decimal | None
    user_exposure: Room
    global_exposure: Room
    open_orders: Count


def account_limits(*, user_id: int) -> AccountLimits:
    """Return the limits of a user's account, as they are at one moment. Raises AccountNotFound."""
    with consistent_read():
        return limits_of(get_account(user_id=user_id), user_id)


def limits_of(account: Account, user_id: int) -> AccountLimits:
    snapshot = read_risk_state(account_id=account.pk)
    limits = snapshot.limits
    return AccountLimits(
        max_leverage=limits.max_leverage,
        max_order_value=limits.max_order_value,
        user_exposure=Room(limits.user_exposure_limit, snapshot.account.exposure),
        global_exposure=Room(limits.global_exposure_threshold, global_exposure()),
        open_orders=Count(limits.max_open_orders, open_orders_of(user_id=user_id).count()),
    )
