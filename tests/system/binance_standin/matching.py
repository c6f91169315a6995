"""The matching engine of one account: a small book to trade against, balances, orders."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count

from tests.system.binance_standin.errors import (
    ApiError,
    bad_symbol,
    filter_failure,
    new_order_rejected,
)
from tests.system.binance_standin.orders import Order, Symbol, Trade

Level = tuple[Decimal, Decimal]
INSUFFICIENT = "Account has insufficient balance for requested action."
UNFILLED_WINDOW = 10_000


class Matching:
    """Books, balances and orders; the caller holds the server's lock."""

    def __init__(self, symbols: list[Symbol], balances: dict[str, Decimal]) -> None:
        self.symbols = {symbol.name: symbol for symbol in symbols}
        self.balances = balances
        self.books: dict[str, dict[str, list[Level]]] = {}
        self.orders: list[Order] = []
        self.order_limit = 50
        self.commission_rate = Decimal("0.001")
        self.order_ids, self.trade_ids = count(1), count(1)
        for symbol in symbols:
            self.set_price(symbol, symbol.price)

    def symbol(self, name: str) -> Symbol:
        if name not in self.symbols:
            raise bad_symbol()
        return self.symbols[name]

    def set_price(self, symbol: Symbol, price: Decimal) -> None:
        """Trade at ``price``: deep asks there, deep bids one tick below."""
        symbol.price = price
        deep = Decimal(1000)
        self.set_book(symbol, bids=[(price - symbol.tick, deep)], asks=[(price, deep)])

    def set_book(self, symbol: Symbol, *, bids: list[Level], asks: list[Level]) -> None:
        self.books[symbol.name] = {
            "SELL": sorted(bids, key=lambda level: -level[0]),
            "BUY": sorted(asks, key=lambda level: level[0]),
        }

    def place(self, order: Order) -> None:
        """Accept an order and fill what the book has for it. Raises ApiError."""
        self.check_filters(order)
        if any(
            other.open and other.client_order_id == order.client_order_id for other in self.orders
        ):
            raise new_order_rejected("Duplicate order sent.")
        self.check_order_rate(order.time)
        fills = list(self.fills_for(order))
        self.check_balance(order, fills)
        self.orders.append(order)
        for price, quantity in fills:
            self.take(order, price, quantity)
            self.execute(order, price, quantity, maker=False, time=order.time)
        if order.open and (order.type == "MARKET" or order.time_in_force in ("IOC", "FOK")):
            order.status = "EXPIRED"

    def check_filters(self, order: Order) -> None:
        symbol, market = order.symbol, order.type == "MARKET"
        price = symbol.price if market else order.price
        if not market and (order.price <= 0 or order.price % symbol.tick or price > 1_000_000):
            raise filter_failure("PRICE_FILTER")
        too_much = order.quantity > symbol.maximum_quantity
        if too_much or order.quantity < symbol.step or order.quantity % symbol.step:
            raise filter_failure("LOT_SIZE")
        if market and order.quantity > symbol.market_maximum_quantity:
            raise filter_failure("MARKET_LOT_SIZE")
        notional = price * order.quantity
        if notional < symbol.minimum_notional or (not market and notional > 9_000_000):
            raise filter_failure("NOTIONAL")

    def check_order_rate(self, now: int) -> None:
        """Orders that were filled do not count; this answer has no Retry-After."""
        if self.unfilled(now) >= self.order_limit:
            raise ApiError(
                -1015,
                f"Too many new orders; current limit is {self.order_limit} orders per 10 SECOND.",
                status=429,
            )

    def unfilled(self, now: int) -> int:
        recent = (order for order in self.orders if order.time > now - UNFILLED_WINDOW)
        return sum(1 for order in recent if not order.trades)

    def fills_for(self, order: Order) -> Iterator[Level]:
        """Yield what the order would take from the book, best price first."""
        left = order.quantity
        levels = [
            level for level in self.books[order.symbol.name][order.side] if crosses(order, level)
        ]
        if order.time_in_force == "FOK" and sum(size for _, size in levels) < left:
            return
        for price, size in levels:
            if left > 0:
                yield price, min(size, left)
                left -= min(size, left)

    def check_balance(self, order: Order, fills: list[Level]) -> None:
        taken = sum((quantity for _, quantity in fills), Decimal())
        rests = Decimal() if order.type == "MARKET" else order.quantity - taken
        if order.side == "SELL":
            asset, needed = order.symbol.base, taken + rests
        else:
            cost = sum((price * quantity for price, quantity in fills), Decimal())
            asset, needed = order.symbol.quote, cost + rests * order.price
        if needed > self.free(asset):
            raise new_order_rejected(INSUFFICIENT)

    def free(self, asset: str) -> Decimal:
        """Return the balance that no open order locks."""
        locked = Decimal()
        for order in self.orders:
            if order.open and order.side == "SELL" and order.symbol.base == asset:
                locked += order.remaining
            if order.open and order.side == "BUY" and order.symbol.quote == asset:
                locked += order.remaining * order.price
        return self.balances.get(asset, Decimal()) - locked

    def take(self, order: Order, price: Decimal, quantity: Decimal) -> None:
        levels = self.books[order.symbol.name][order.side]
        self.books[order.symbol.name][order.side] = [
            (at, size - quantity if at == price else size)
            for at, size in levels
            if at != price or size > quantity
        ]

    def execute(
        self, order: Order, price: Decimal, quantity: Decimal, *, maker: bool, time: int
    ) -> None:
        """Book a fill; the commission is taken from what is received."""
        symbol, buy = order.symbol, order.side == "BUY"
        paid, received = (symbol.quote, symbol.base) if buy else (symbol.base, symbol.quote)
        out, into = (price * quantity, quantity) if buy else (quantity, price * quantity)
        commission = into * self.commission_rate
        order.trades.append(
            Trade(next(self.trade_ids), price, quantity, commission, received, maker, time)
        )
        order.status = "FILLED" if order.remaining == 0 else "PARTIALLY_FILLED"
        symbol.price = price
        self.balances[paid] = self.balances.get(paid, Decimal()) - out
        self.balances[received] = self.balances.get(received, Decimal()) + into - commission

    def find(
        self, symbol: Symbol, order_id: int | None, client_order_id: str | None
    ) -> Order | None:
        """Return the latest order that fits the ids that are given."""
        for order in reversed(self.orders):
            fits_id = order_id is None or order.id == order_id
            fits_client_id = client_order_id is None or order.client_order_id == client_order_id
            if order.symbol is symbol and fits_id and fits_client_id:
                return order
        return None


def crosses(order: Order, level: Level) -> bool:
    if order.type == "MARKET":
        return True
    return level[0] <= order.price if order.side == "BUY" else level[0] >= order.price
