"""How an account in breach is closed out: what closes next, when that ends, who pays a deficit.

The rule is the margin close-out rule of ESMA's product intervention, per account and with all its
positions: each closes at its mark, whole unless reducing some restores the ratio. Decimals only, in
USDT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from market.kernel.amounts import EXACT, ZERO
from risk.fills import Holding, close_part
from risk.margin import fee, is_in_breach, margin_ratio, notional
from risk.reducing import size_to_close
from risk.state import AccountState, InstrumentState, Limits, OpenPosition

#: The mode in which a close-out closes everything.
FULL: Final = "full"
#: The mode in which it ends as soon as the ratio is back.
LARGEST_LOSS_FIRST: Final = "largest_loss_first"
#: The mode in which it reduces positions, and closes everything where that does not suffice.
PARTIAL: Final = "partial"


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's equity, the margin of its positions, and what they require, unrounded."""

    equity: Decimal
    margin: Decimal
    required: Decimal

    @property
    def ratio(self) -> Decimal | None:
        return margin_ratio(self.equity, self.margin)


@dataclass(frozen=True, slots=True)
class Closing:
    """What closes of a position, and what is held of it then.

    ``fee`` is what the balance can pay of the liquidation fee.
    """

    position: OpenPosition
    size: Decimal
    left: Holding
    realized_pnl: Decimal
    fee: Decimal

    @property
    def notional(self) -> Decimal:
        return notional(self.size, self.position.mark_price)


@dataclass(frozen=True, slots=True)
class CloseOut:
    """What a close-out does, in the order in which it is done; a position closes once at most.

    A ``balance`` below zero is a deficit; ``after`` is the standing once others have paid it.
    """

    closings: Sequence[Closing]
    before: Standing
    after: Standing
    balance: Decimal


@dataclass(slots=True)
class Progress:
    """An account on its way through a close-out: its figures, and what has closed by now."""

    balance: Decimal
    equity: Decimal
    margin: Decimal
    required: Decimal
    closings: list[Closing] = field(default_factory=list)

    def close(self, position: OpenPosition, size: Decimal, limits: Limits) -> None:
        """Close ``size`` of a position at its mark, with a fee as far as the balance reaches."""
        mark_price, rate = position.mark_price, limits.liquidation_fee_rate
        left, realized_pnl = close_part(position.holding, size, mark_price)
        self.balance += realized_pnl
        charged = min(fee(size, mark_price, rate), max(self.balance, ZERO))
        self.balance, self.equity = self.balance - charged, self.equity - charged
        self.margin -= position.holding.margin - left.margin
        by = limits.requirement
        freed = position.required(by)
        if left.quantity:
            freed = EXACT.subtract(freed, position.required_for(left, by))
        self.required = EXACT.subtract(self.required, freed)
        self.closings.append(Closing(position, size, left, realized_pnl, charged))

    def is_restored(self, target: Decimal) -> bool:
        """Tell whether a close-out may stop: equity is ``target`` times what is required.

        Besides, the realised losses must be paid: while the balance is negative, profits of the
        remaining positions pay for them before the insurance fund does.
        """
        return self.balance >= 0 and not is_in_breach(
            self.equity, EXACT.multiply(target, self.required)
        )


def close_out(
    account: AccountState, limits: Limits, instruments: Mapping[str, InstrumentState]
) -> CloseOut:
    """Close positions, the largest loss first and equal ones by symbol, as far as the mode goes.

    ``instruments`` are those held, by symbol.
    """
    required = account.required(limits.requirement)
    before = Standing(account.equity, account.position_margin, required)
    done = None
    if limits.liquidation_mode == PARTIAL:
        done = reduced(account, before, limits, instruments)
    if done is None:
        done = close_whole(account, before, limits)
    covered = done.equity + max(-done.balance, ZERO)
    after = Standing(covered, done.margin, done.required)
    return CloseOut(done.closings, before, after, done.balance)


def in_turn(account: AccountState) -> list[OpenPosition]:
    """Return positions in the order in which they close."""
    return sorted(account.positions.values(), key=lambda one: (one.unrealized_pnl, one.symbol))


def beginning(account: AccountState, before: Standing) -> Progress:
    return Progress(account.balance, before.equity, before.margin, before.required)


def close_whole(account: AccountState, before: Standing, limits: Limits) -> Progress:
    """Close positions whole, until equity is what is required where the mode says so."""
    done, partly = beginning(account, before), limits.liquidation_mode == LARGEST_LOSS_FIRST
    for position in in_turn(account):
        if partly and done.is_restored(Decimal(1)):
            break
        done.close(position, abs(position.holding.quantity), limits)
    return done


def reduced(
    account: AccountState,
    before: Standing,
    limits: Limits,
    instruments: Mapping[str, InstrumentState],
) -> Progress | None:
    """Close of each position in turn what brings equity back to its target, a share at most.

    None where that does not suffice.
    """
    done, target = beginning(account, before), limits.close_out_target
    for position in in_turn(account):
        if done.is_restored(target):
            break
        others = EXACT.subtract(done.required, position.required(limits.requirement))
        size = size_to_close(
            position, instruments[position.symbol], limits, equity=done.equity, others=others
        )
        done.close(position, size, limits)
    return done if done.is_restored(target) else None


def cover(deficit: Decimal, available: Decimal) -> tuple[Decimal, Decimal]:
    """Split a deficit into what a fund of ``available`` pays and what is left as bad debt."""
    paid = min(max(available, ZERO), deficit)
    return paid, deficit - paid
