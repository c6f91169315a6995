"""Trading rules of a symbol, and the check of an order against them before it is sent.

Source: Binance Spot API, "Filters". What a rule sets to zero it does not limit.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from market.kernel.amounts import EXACT, is_multiple

Side = Literal["BUY", "SELL"]
OrderType = Literal["MARKET", "LIMIT"]
TimeInForce = Literal["GTC", "IOC", "FOK"]


@dataclass(frozen=True, slots=True)
class FilterProblem:
    """The name of the rule that an order breaks, as the venue names it, and why."""

    filter: str
    detail: str


@dataclass(frozen=True, slots=True)
class StepFilter:
    """PRICE_FILTER, LOT_SIZE or MARKET_LOT_SIZE: a range, in steps; zero lifts that part."""

    name: str
    minimum: Decimal
    maximum: Decimal
    step: Decimal

    def problem(self, value: Decimal) -> FilterProblem | None:
        if value <= 0 or value < self.minimum:
            return FilterProblem(self.name, f"{value:f} is below {self.minimum:f}.")
        if self.maximum and value > self.maximum:
            return FilterProblem(self.name, f"{value:f} is above {self.maximum:f}.")
        if self.step and not is_multiple(value, self.step):
            return FilterProblem(self.name, f"{value:f} is not a multiple of {self.step:f}.")
        return None


@dataclass(frozen=True, slots=True)
class NotionalFilter:
    """NOTIONAL or MIN_NOTIONAL: a range of price × quantity, in the quote asset.

    ``maximum`` is None without one; each end says whether it holds for market orders.
    """

    name: str
    minimum: Decimal
    maximum: Decimal | None
    minimum_for_market: bool
    maximum_for_market: bool

    def problem(self, notional: Decimal, *, market: bool) -> FilterProblem | None:
        if (self.minimum_for_market or not market) and notional < self.minimum:
            return FilterProblem(self.name, f"{notional:f} is below {self.minimum:f}.")
        capped = self.maximum is not None and (self.maximum_for_market or not market)
        if capped and self.maximum is not None and notional > self.maximum:
            return FilterProblem(self.name, f"{notional:f} is above {self.maximum:f}.")
        return None


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """What the venue says about a symbol; a rule that it does not set is None."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    price: StepFilter | None
    lot_size: StepFilter | None
    market_lot_size: StepFilter | None
    notional: tuple[NotionalFilter, ...]


def order_problem(
    rules: SymbolRules,
    *,
    type: OrderType,
    quantity: Decimal,
    price: Decimal,
) -> FilterProblem | None:
    """Return the first rule that an order breaks, None when it may be sent.

    ``quantity`` is in the base asset. ``price`` is the limit price; of a market order it is the
    price to value it at, where the venue takes its own average price and may judge otherwise.
    """
    market = type == "MARKET"
    steps = [
        (None if market else rules.price, price),
        (rules.lot_size, quantity),
        (rules.market_lot_size if market else None, quantity),
    ]
    for rule, value in steps:
        problem = rule.problem(value) if rule else None
        if problem:
            return problem
    notional = EXACT.multiply(price, quantity)
    problems = (rule.problem(notional, market=market) for rule in rules.notional)
    return next(filter(None, problems), None)
