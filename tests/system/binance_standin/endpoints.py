"""The endpoints: from parameters to the body of the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.system.binance_standin.errors import ApiError
from tests.system.binance_standin.matching import Matching
from tests.system.binance_standin.orders import Order, amount
from tests.system.binance_standin.parameters import Parameters

Endpoint = Callable[[Matching, Parameters, int], Any]


@dataclass(frozen=True)
class Route:
    """An endpoint, whether it must be signed, and its request weight."""

    answer: Endpoint
    signed: bool
    weight: Callable[[Parameters], int]


def server_time(matching: Matching, parameters: Parameters, now: int) -> Any:
    parameters.only()
    return {"serverTime": now}


def ticker_price(matching: Matching, parameters: Parameters, now: int) -> Any:
    parameters.only("symbol", "symbols")
    names = parameters.symbols()
    symbols = [matching.symbol(name) for name in (matching.symbols if names is None else names)]
    prices = [{"symbol": symbol.name, "price": amount(symbol.price)} for symbol in symbols]
    return prices[0] if parameters.optional("symbol") else prices


def new_order(matching: Matching, parameters: Parameters, now: int) -> Any:
    common = ("symbol", "side", "type", "quantity", "newClientOrderId", "newOrderRespType")
    parameters.only(*common, "timeInForce", "price", signed=True)
    if parameters.optional("newOrderRespType") not in (None, "FULL"):
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    order = read_order(matching, parameters, now)
    matching.place(order)
    return order.placed_json()


def read_order(matching: Matching, parameters: Parameters, now: int) -> Order:
    symbol = matching.symbol(parameters.text("symbol"))
    side = parameters.choice("side", ("BUY", "SELL"), ApiError(-1117, "Invalid side."))
    kind = parameters.choice("type", ("LIMIT", "MARKET"), ApiError(-1116, "Invalid orderType."))
    if kind == "MARKET":
        parameters.forbid("timeInForce", "price")
        in_force, price = "GTC", Decimal()
    else:
        in_force = parameters.choice(
            "timeInForce", ("GTC", "IOC", "FOK"), ApiError(-1115, "Invalid timeInForce.")
        )
        price = parameters.decimal("price")
    quantity = parameters.decimal("quantity")
    order_id = next(matching.order_ids)
    client_order_id = parameters.optional("newClientOrderId") or f"generated-{order_id}"
    return Order(order_id, symbol, client_order_id, side, kind, in_force, quantity, price, now)


def query_order(matching: Matching, parameters: Parameters, now: int) -> Any:
    order = find_order(matching, parameters)
    if order is None:
        raise ApiError(-2013, "Order does not exist.")
    return order.queried_json()


def cancel_order(matching: Matching, parameters: Parameters, now: int) -> Any:
    order = find_order(matching, parameters)
    if order is None or not order.open:
        raise ApiError(-2011, "Unknown order sent.")
    order.status = "CANCELED"
    ids = {"origClientOrderId": order.client_order_id, "clientOrderId": f"cancel-{order.id}"}
    return {**order.json(), **ids, "transactTime": now}


def find_order(matching: Matching, parameters: Parameters) -> Order | None:
    parameters.only("symbol", "orderId", "origClientOrderId", signed=True)
    symbol = matching.symbol(parameters.text("symbol"))
    order_id, client_order_id = (
        parameters.optional("orderId"),
        parameters.optional("origClientOrderId"),
    )
    if not order_id and not client_order_id:
        raise ApiError(
            -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        )
    return matching.find(symbol, int(order_id) if order_id else None, client_order_id)


def my_trades(matching: Matching, parameters: Parameters, now: int) -> Any:
    parameters.only("symbol", "orderId", "fromId", "limit", signed=True)
    symbol = matching.symbol(parameters.text("symbol"))
    limit = min(parameters.number("limit", 500), 1000)
    wanted = parameters.optional("orderId")
    trades = [
        trade
        for order in matching.orders
        if order.symbol is symbol and wanted in (None, str(order.id))
        for trade in order.trades_json()
    ]
    trades.sort(key=lambda trade: trade["id"])
    if parameters.optional("fromId") is None:
        return trades[-limit:]
    return [trade for trade in trades if trade["id"] >= parameters.number("fromId")][:limit]


def of(weight: int) -> Callable[[Parameters], int]:
    return lambda parameters: weight


ROUTES: Final[Mapping[tuple[str, str], Route]] = {
    ("GET", "/api/v3/time"): Route(server_time, False, of(1)),
    ("GET", "/api/v3/ticker/price"): Route(
        ticker_price, False, lambda parameters: 2 if parameters.optional("symbol") else 4
    ),
    ("POST", "/api/v3/order"): Route(new_order, True, of(1)),
    ("GET", "/api/v3/order"): Route(query_order, True, of(4)),
    ("DELETE", "/api/v3/order"): Route(cancel_order, True, of(1)),
    ("GET", "/api/v3/myTrades"): Route(
        my_trades, True, lambda parameters: 5 if parameters.optional("orderId") else 20
    ),
}
