"""What a decision looks at: an account with its positions, the instrument and the limits.

Plain frozen values without a database behind them. Money in USDT.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from market.kernel.amounts import EXACT, ZERO, round_half_even
from market.kernel.states import TradingState
from market.windows import LONGEST_WINDOW
from risk import maintenance
from risk.fills import Holding
from risk.maintenance import INITIAL_SHARE, Requirement, requirement_of
from risk.margin import is_in_breach, liquidation_price, margin_ratio, notional

FLAT = Holding()
#: The window in which the values of an account's orders are added up, and duplicates looked for.
MINUTE: Final = timedelta(seconds=60)
#: The longest for which duplicates are refused.
MOST_DUPLICATE_SECONDS: Final = MINUTE // timedelta(seconds=1)
#: What a partial close-out aims at, in thresholds, and the share of a position that it may close.
CLOSE_OUT_TARGET: Final = Decimal("1.25")
CLOSE_OUT_SHARE: Final = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class InstrumentState:
    """An instrument's rules and its mark price; ``mark_price`` is None before the first one.

    ``realized_range`` is that over the policy's window, as of the market step that set the mark.
    """

    id: int
    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    min_notional: Decimal
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    halted: bool
    mark_price: Decimal | None
    marked_at: datetime | None
    max_order_size: Decimal | None = None
    max_order_value: Decimal | None = None
    reducing: bool = False
    realized_range: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """An open position at its present mark price; ``id`` is None until it is stored."""

    id: int | None
    instrument_id: int
    symbol: str
    holding: Holding
    leverage: int
    realized_pnl: Decimal
    mark_price: Decimal

    @property
    def notional(self) -> Decimal:
        return notional(self.holding.quantity, self.mark_price)

    @property
    def unrealized_pnl(self) -> Decimal:
        """``quantity × mark − cost``."""
        value = EXACT.multiply(self.holding.quantity, self.mark_price)
        return round_half_even(EXACT.subtract(value, self.holding.cost))

    def required(self, by: Requirement) -> Decimal:
        """What the account's equity must reach for the position, unrounded."""
        return self.required_for(self.holding, by)

    def required_for(self, holding: Holding, by: Requirement) -> Decimal:
        """What equity must reach if that is held of the position, unrounded."""
        return by.of(
            self.symbol,
            quantity=holding.quantity,
            mark_price=self.mark_price,
            margin=holding.margin,
        )

    def liquidation_price(
        self, by: Requirement, *, equity: Decimal, required: Decimal
    ) -> Decimal | None:
        """Return the mark at which the account's equity would be what is required of it.

        Both as they are at present marks; those of other positions stay.
        """
        quantity, ladder = self.holding.quantity, by.ladder(self.symbol)
        if ladder is None:
            return liquidation_price(
                quantity=quantity, mark_price=self.mark_price, equity=equity, required=required
            )
        others = EXACT.subtract(required, self.required(by))
        return maintenance.liquidation_price(
            quantity=quantity,
            mark_price=self.mark_price,
            spare=EXACT.subtract(equity, others),
            ladder=ladder,
        )


def open_position(row: Any, symbol: str, mark_price: Decimal) -> OpenPosition:
    """Return the position whose columns ``row`` has as attributes, at a mark price."""
    return OpenPosition(
        id=row.id,
        instrument_id=row.instrument_id,
        symbol=symbol,
        holding=Holding(row.quantity, row.cost, row.margin),
        leverage=row.leverage,
        realized_pnl=row.realized_pnl,
        mark_price=mark_price,
    )


@dataclass(frozen=True, slots=True)
class AccountState:
    """Balance, open positions by instrument id, and what open orders reserve."""

    account_id: int
    user_id: int
    balance: Decimal
    positions: Mapping[int, OpenPosition] = field(default_factory=dict)
    reserved_margin: Decimal = ZERO
    reserved_notional: Decimal = ZERO

    @property
    def unrealized_pnl(self) -> Decimal:
        return sum((p.unrealized_pnl for p in self.positions.values()), ZERO)

    @property
    def equity(self) -> Decimal:
        """Balance + unrealised P&L."""
        return self.balance + self.unrealized_pnl

    @property
    def position_margin(self) -> Decimal:
        return sum((p.holding.margin for p in self.positions.values()), ZERO)

    @property
    def margin_used(self) -> Decimal:
        """Margin of positions + margin reserved by open orders."""
        return self.position_margin + self.reserved_margin

    @property
    def available_margin(self) -> Decimal:
        """Equity − margin used."""
        return self.equity - self.margin_used

    @property
    def margin_ratio(self) -> Decimal | None:
        return margin_ratio(self.equity, self.position_margin)

    @property
    def notional(self) -> Decimal:
        return sum((p.notional for p in self.positions.values()), ZERO)

    @property
    def exposure(self) -> Decimal:
        """Notional of positions + notional reserved by open orders."""
        return self.notional + self.reserved_notional

    @property
    def effective_leverage(self) -> Decimal | None:
        """Notional of positions ÷ equity; None where equity is not above zero."""
        return EXACT.divide(self.notional, self.equity) if self.equity > 0 else None

    def holding(self, instrument_id: int) -> Holding:
        """Return the numbers of the open position in an instrument, flat ones without it."""
        position = self.positions.get(instrument_id)
        return position.holding if position else FLAT

    def required(self, by: Requirement) -> Decimal:
        """What equity must reach, unrounded."""
        return reduce(EXACT.add, (p.required(by) for p in self.positions.values()), ZERO)

    def is_in_breach(self, by: Requirement) -> bool:
        return is_in_breach(self.equity, self.required(by))

    def liquidation_price(self, position: OpenPosition, by: Requirement) -> Decimal | None:
        """Return the mark of ``position`` at which equity would be what is required."""
        return position.liquidation_price(by, equity=self.equity, required=self.required(by))


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules in force for one account: columns of the policy, and what binds it alone."""

    trading_halted: bool
    suspended: bool
    max_mark_age_seconds: int
    max_open_orders: int
    max_leverage: int
    user_exposure_limit: Decimal
    global_exposure_threshold: Decimal
    liquidation_threshold: Decimal
    liquidation_mode: str
    liquidation_fee_rate: Decimal
    max_order_value: Decimal | None = None
    trading_reducing: bool = False
    account_reducing: bool = False
    tier_state: str = TradingState.ACTIVE
    volatility_window_minutes: int = LONGEST_WINDOW
    volatility_bands: str = ""
    price_band: Decimal = ZERO
    max_minute_value: Decimal | None = None
    duplicate_seconds: int = 0
    margin_mode: str = INITIAL_SHARE
    maintenance_brackets: str = ""
    close_out_target: Decimal = CLOSE_OUT_TARGET
    close_out_share: Decimal = CLOSE_OUT_SHARE
    max_fills: int = 0
    fills_window_seconds: int = 60
    throttled: str = ""

    @property
    def requirement(self) -> Requirement:
        """How much equity the account's positions require."""
        return requirement_of(self)


@dataclass(frozen=True, slots=True)
class Sent:
    """What an account's accepted orders that may open came to, in USDT.

    In the last ``MINUTE``, and in all since they are added up.
    """

    in_minute: Decimal
    total: Decimal

    def plus(self, value: Decimal) -> "Sent":
        return Sent(self.in_minute + value, self.total + value)


@dataclass(frozen=True, slots=True)
class RiskState:
    """All that one decision needs; ``instrument`` is None for an unlisted symbol.

    ``open_orders`` counts the account's open orders on all venues. ``sent`` is None where no
    control asks for it, ``twin_at`` when an equal order was accepted, if lately.
    """

    account: AccountState
    limits: Limits
    instrument: InstrumentState | None
    open_orders: int
    sent: Sent | None = None
    twin_at: datetime | None = None

    @property
    def holding(self) -> Holding:
        """What the account has open in the instrument."""
        return self.account.holding(self.instrument.id) if self.instrument else FLAT


@dataclass(frozen=True, slots=True)
class RiskSnapshot:
    """What one read saw: account, limits, and the instruments asked for or held, by symbol."""

    account: AccountState
    limits: Limits
    instruments: Mapping[str, InstrumentState]

    def facing(
        self,
        symbol: str,
        account: AccountState,
        open_orders: int,
        sent: Sent | None = None,
        twin_at: datetime | None = None,
    ) -> RiskState:
        """Return what a decision on ``symbol`` needs, for the account as it is by now."""
        instrument = self.instruments.get(symbol)
        return RiskState(account, self.limits, instrument, open_orders, sent, twin_at)
