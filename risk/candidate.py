"""What an order is decided by: the intent, the candidate that checks look at, the approval.

Pure values; money in USDT.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from market.kernel.amounts import ZERO
from risk.brackets import highest_by_brackets
from risk.execution import Execution, reducible_size
from risk.exposure import ExposureChange
from risk.fills import Holding
from risk.margin import notional
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
    def leverage_left(self) -> int:
        """The tier's highest leverage, of an order that may open what the range leaves of it."""
        highest, bands = self.limits.max_leverage, self.limits.volatility_bands
        left = highest_leverage(highest, bands, self.instrument.realized_range)
        return highest if left < highest and self.only_reduces else left

    @property
    def highest_leverage(self) -> int:
        """The same, of an order that may open no more than the bracket of its position allows."""
        left, by = self.leverage_left, self.limits.requirement
        if not by.is_by_brackets or self.only_reduces:
            return left
        most = highest_by_brackets(by, self.instrument.symbol, self.notional_after)
        return left if most is None else min(left, most)

    @property
    def notional_after(self) -> Decimal:
        """What the position is worth once the order has filled; one that rests fills on its side.

        There it is added to what is held, since what is held on the other may be gone by then.
        """
        held, size = self.state.holding.quantity, self.intent.signed(self.intent.size)
        if not self.rests:
            return notional(held + size, self.mark_price)
        beside = held if (held > 0) == (size > 0) else ZERO
        return notional(beside, self.mark_price) + self.value
