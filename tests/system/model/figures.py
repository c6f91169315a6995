"""What the reference keeps of an account, and how a fill changes a position.

Every quotient is an exact fraction until the rule rounds it, so that the reference has no rounding
but those that the rules name.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

ZERO = Decimal(0)
UNITS = 10**8


def half_even(value: Fraction) -> Decimal:
    """Round to eight places, ties to the even digit."""
    return Decimal(round(value * UNITS)).scaleb(-8)


def up(value: Fraction) -> Decimal:
    """Round up to eight places."""
    return Decimal(math.ceil(value * UNITS)).scaleb(-8)


def required_margin(size: Decimal, price: Decimal, leverage: int) -> Decimal:
    """Order size × price ÷ leverage, rounded up."""
    return up(Fraction(size) * Fraction(price) / leverage)


def fee_of(size: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    return half_even(Fraction(size) * Fraction(price) * Fraction(rate))


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether a size or a price is positive, sane and a whole number of steps."""
    return 0 < value < 10**9 and (Fraction(value) / Fraction(step)).denominator == 1


@dataclass
class Instrument:
    symbol: str
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO
    state: str = "ACTIVE"
    max_order_size: Decimal | None = None
    max_order_value: Decimal | None = None
    mark: Decimal | None = None
    marked_at: int | None = None
    marks: list[tuple[int, Decimal]] = field(default_factory=list)
    range: Fraction = Fraction(0)

    def note(self, now: int, price: Decimal, minutes: int) -> None:
        """Take a mark: (highest − lowest) ÷ lowest of so many minutes, the present one the last."""
        self.marks.append((now, price))
        first = now // 60 - minutes
        prices = [Fraction(one) for moment, one in self.marks if moment // 60 > first]
        self.range = (max(prices) - min(prices)) / min(prices)


@dataclass
class Position:
    """Signed quantity ``q``, signed cost ``c`` and margin ``m``; flat ones are history."""

    symbol: str
    leverage: int
    q: Decimal = ZERO
    c: Decimal = ZERO
    m: Decimal = ZERO
    realized: Decimal = ZERO
    status: str = "OPEN"

    def unrealized(self, mark: Decimal) -> Decimal:
        return self.q * mark - self.c


@dataclass
class Account:
    name: str
    tier: str
    balance: Decimal = ZERO
    state: str = "ACTIVE"
    #: What the throttle counted when it set the state; the moments of the fills that count.
    throttled: str = ""
    fills: list[int] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    reserved_margin: Decimal = ZERO
    reserved_notional: Decimal = ZERO

    @property
    def open(self) -> list[Position]:
        return [position for position in self.positions if position.status == "OPEN"]

    def position(self, symbol: str) -> Position | None:
        return next((position for position in self.open if position.symbol == symbol), None)

    def reducible(self, symbol: str, sign: int) -> Decimal:
        """How much of the position an order of this side stands against."""
        position = self.position(symbol)
        return max(-sign * position.q, ZERO) if position else ZERO

    def fill(
        self, symbol: str, sign: int, size: Decimal, price: Decimal, leverage: int, end: str
    ) -> Decimal:
        """Apply a fill and return the P&L that it realises; the balance is not touched yet.

        The opposite side closes first, in proportion; what is left opens at ``leverage``. A
        position that reaches zero ends as ``end``.
        """
        closing = min(size, self.reducible(symbol, sign))
        realized = self.close(symbol, closing, price, end) if closing else ZERO
        opening = size - closing
        if opening:
            position = self.position(symbol)
            if position is None:
                position = Position(symbol, leverage)
                self.positions.append(position)
            position.q += sign * opening
            position.c += sign * opening * price
            position.m += required_margin(opening, price, leverage)
            position.leverage = leverage
        return realized

    def close(self, symbol: str, size: Decimal, price: Decimal, end: str) -> Decimal:
        """Close ``size`` of the position: cost and margin leave in proportion, half-even."""
        position = self.position(symbol)
        assert position is not None
        part = Fraction(size) / abs(Fraction(position.q))
        closed = size if position.q > 0 else -size
        cost, margin = (
            half_even(Fraction(position.c) * part),
            half_even(Fraction(position.m) * part),
        )
        realized = closed * price - cost
        position.q -= closed
        position.c -= cost
        position.m -= margin
        position.realized += realized
        if position.q == 0:
            position.status = end
        return realized


@dataclass
class Order:
    """A request with its answer; ``sign`` is +1 to buy, −1 to sell, ``price`` None at market.

    One that ``closes`` has the side and the size of what is open once it is answered.

    ``number`` counts all orders of the exchange, close-outs included, from 0.
    """

    account: str
    symbol: str
    sign: int
    size: Decimal
    price: Decimal | None = None
    leverage: int | None = None
    reduce_only: bool = False
    closes: bool = False
    client_order_id: str | None = None
    liquidation: bool = False
    status: str = "NEW"
    code: str = ""
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    required_margin: Decimal = ZERO
    reserved_margin: Decimal = ZERO
    reserved_notional: Decimal = ZERO
    user_exposure_after: Decimal | None = None
    global_exposure_after: Decimal | None = None
    number: int = field(default=-1, compare=False)
    at: int = field(default=0, compare=False)
    #: What it adds to what its account sends in a minute, where a control adds that up.
    counted: Decimal | None = field(default=None, compare=False)


@dataclass
class Policy:
    """The limits in force, by their names in the risk policy, and whether all may trade."""

    state: str = "ACTIVE"
    max_mark_age_seconds: int = 3600
    max_open_orders: int = 200
    price_band: Decimal = ZERO
    user_exposure_limit: Decimal = Decimal(5_000_000)
    global_exposure_threshold: Decimal = Decimal(10_000_000)
    liquidation_threshold: Decimal = Decimal("0.5")
    liquidation_mode: str = "full"
    liquidation_fee_rate: Decimal = ZERO
    close_out_target: Decimal = Decimal("1.25")
    close_out_share: Decimal = Decimal("0.5")
    margin_mode: str = "initial_share"
    maintenance_brackets: str = ""
    duplicate_seconds: int = 0
    max_fills: int = 0
    fills_window_seconds: int = 60
    max_order_value: dict[str, Decimal | None] = field(default_factory=dict)
    volatility_window_minutes: int = 1440
    volatility_bands: str = ""
    max_minute_value: dict[str, Decimal | None] = field(default_factory=dict)
    max_leverage: dict[str, int] = field(
        default_factory=lambda: {"beginner": 5, "intermediate": 10, "advanced": 20}
    )
    tier_state: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(("beginner", "intermediate", "advanced"), "ACTIVE")
    )
