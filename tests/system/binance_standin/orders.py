"""Orders and trades in the shape of the API's answers."""

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

OPEN = ("NEW", "PARTIALLY_FILLED")
PLACE = Decimal("0.00000001")


def amount(value: Decimal) -> str:
    """Return eight decimal places, as the API writes every amount."""
    return f"{value.quantize(PLACE, rounding=ROUND_DOWN):f}"


@dataclass
class Symbol:
    """A symbol with its trading rules."""

    name: str
    base: str
    quote: str
    price: Decimal
    tick: Decimal
    step: Decimal
    minimum_notional: Decimal
    maximum_quantity: Decimal = Decimal(9000)
    market_maximum_quantity: Decimal = Decimal(100)
    status: str = "TRADING"


@dataclass(frozen=True)
class Trade:
    """A fill; times are milliseconds since 1970."""

    id: int
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    maker: bool
    time: int

    def fill_json(self) -> dict[str, Any]:
        return {
            "price": amount(self.price),
            "qty": amount(self.quantity),
            "commission": amount(self.commission),
            "commissionAsset": self.commission_asset,
            "tradeId": self.id,
        }


@dataclass
class Order:
    """An order with its trades."""

    id: int
    symbol: Symbol
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    time: int
    status: str = "NEW"
    trades: list[Trade] = field(default_factory=list)

    @property
    def executed(self) -> Decimal:
        return sum((trade.quantity for trade in self.trades), Decimal())

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def spent(self) -> Decimal:
        return sum((trade.quantity * trade.price for trade in self.trades), Decimal())

    @property
    def open(self) -> bool:
        return self.status in OPEN

    def json(self) -> dict[str, Any]:
        """Return what every answer about an order says."""
        return {
            "symbol": self.symbol.name,
            "orderId": self.id,
            "orderListId": -1,
            "clientOrderId": self.client_order_id,
            "price": amount(self.price),
            "origQty": amount(self.quantity),
            "executedQty": amount(self.executed),
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": amount(self.spent),
            "status": self.status,
            "timeInForce": self.time_in_force,
            "type": self.type,
            "side": self.side,
            "selfTradePreventionMode": "NONE",
        }

    def placed_json(self) -> dict[str, Any]:
        fills = [trade.fill_json() for trade in self.trades]
        return {**self.json(), "transactTime": self.time, "workingTime": self.time, "fills": fills}

    def queried_json(self) -> dict[str, Any]:
        times = {"time": self.time, "updateTime": self.time, "workingTime": self.time}
        return {**self.json(), **times, "stopPrice": "0.00000000", "isWorking": True}

    def trades_json(self) -> list[dict[str, Any]]:
        return [
            {
                "symbol": self.symbol.name,
                "id": trade.id,
                "orderId": self.id,
                "orderListId": -1,
                "price": amount(trade.price),
                "qty": amount(trade.quantity),
                "quoteQty": amount(trade.price * trade.quantity),
                "commission": amount(trade.commission),
                "commissionAsset": trade.commission_asset,
                "time": trade.time,
                "isBuyer": self.side == "BUY",
                "isMaker": trade.maker,
                "isBestMatch": True,
            }
            for trade in self.trades
        ]
