"""How an account in breach is closed out: what closes next, when that ends, who pays a deficit.

The rule is the margin close-out rule of ESMA's product intervention, per account and with all its
positions: each closes whole at its mark. Decimals only, in USDT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from market.kernel.amounts import ZERO
from risk.margin import fee, is_in_breach, margin_ratio
from risk.state import AccountState, Limits, OpenPosition

#: The mode in which a close-out closes everything.
FULL: Final = "full"
#: The mode in which it ends as soon as the ratio is back.
LARGEST_LOSS_FIRST: Final = "largest_loss_first"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account is held against its threshold by."""

    equity: Decimal
    margin: Decimal

    @property
    def ratio(self) -> Decimal | None:
        return margin_ratio(self.equity, self.margin)


@dataclass(frozen=True, slots=True)
class Closing:
    """A position that closes; ``fee`` is what the balance can pay of the liquidation fee."""

    position: OpenPosition
    realized_pnl: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class CloseOut:
    """What a close-out does, in the order in which it is done.

    A ``balance`` below zero is a deficit; ``after`` is the standing once others have paid it.
    """

    closings: Sequence[Closing]
    before: Standing
    after: Standing
    balance: Decimal


def close_out(account: AccountState, limits: Limits) -> CloseOut:
    """Close positions, the largest loss first and equal ones by symbol, as far as the mode goes.

    A position that closes whole at its mark realises its unrealised P&L.
    """
    valued = [(position.unrealized_pnl, position) for position in account.positions.values()]
    valued.sort(key=lambda one: (one[0], one[1].symbol))
    balance, margin = account.balance, account.position_margin
    equity = sum((pnl for pnl, _ in valued), balance)
    before, closings = Standing(equity, margin), list[Closing]()
    partly = limits.liquidation_mode == LARGEST_LOSS_FIRST
    for pnl, position in valued:
        if partly and is_restored(balance, equity, margin, limits.liquidation_threshold):
            break
        balance += pnl
        charged = affordable_fee(balance, position, limits.liquidation_fee_rate)
        balance, equity = balance - charged, equity - charged
        margin -= position.holding.margin
        closings.append(Closing(position, pnl, charged))
    covered = equity + max(-balance, ZERO)
    return CloseOut(closings, before, Standing(covered, margin), balance)


def is_restored(balance: Decimal, equity: Decimal, margin: Decimal, threshold: Decimal) -> bool:
    """Tell whether a partial close-out may stop.

    Besides the ratio, the realised losses must be paid: while the balance is negative, profits of
    the remaining positions pay for them before the insurance fund does.
    """
    return balance >= 0 and not is_in_breach(equity, margin, threshold)


def affordable_fee(balance: Decimal, position: OpenPosition, rate: Decimal) -> Decimal:
    """Return the fee of closing a position, as far as the balance reaches."""
    whole = fee(position.holding.quantity, position.mark_price, rate)
    return min(whole, max(balance, ZERO))


def cover(deficit: Decimal, available: Decimal) -> tuple[Decimal, Decimal]:
    """Split a deficit into what a fund of ``available`` pays and what is left as bad debt."""
    paid = min(max(available, ZERO), deficit)
    return paid, deficit - paid
