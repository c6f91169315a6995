"""The stand-in itself: a test starts it, drives it by its methods, and asks what it has seen."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from tests.system.binance_standin.endpoints import ROUTES, Route
from tests.system.binance_standin.faults import Answer, AnyFault, Faults
from tests.system.binance_standin.http import HttpServer
from tests.system.binance_standin.limits import WeightLimit
from tests.system.binance_standin.matching import Level, Matching
from tests.system.binance_standin.orders import Order, Symbol
from tests.system.binance_standin.parameters import Parameters
from tests.system.binance_standin.security import check_key, check_signature, check_time

API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
API_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ORDER = "/api/v3/order"
PATIENCE_SECONDS = 5


@dataclass(frozen=True)
class Seen:
    """A request that arrived, whatever became of it."""

    method: str
    path: str
    parameters: Mapping[str, str]


def default_symbols() -> list[Symbol]:
    """BTCUSDT at 65,000 and ETHUSDT at 3,200, with rules like the testnet's."""
    cent, five = Decimal("0.01"), Decimal(5)
    return [
        Symbol("BTCUSDT", "BTC", "USDT", Decimal(65000), cent, Decimal("0.00001"), five),
        Symbol("ETHUSDT", "ETH", "USDT", Decimal(3200), cent, Decimal("0.0001"), five),
    ]


class BinanceStandin:
    """A venue with one account, on ``url`` while it runs."""

    api_key, api_secret = API_KEY, API_SECRET

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.failures: list[Exception] = []
        self.weight = WeightLimit()
        self.skew_seconds = 0.0
        self.in_flight = 0
        self.idle = threading.Condition()
        self.matching = Matching(default_symbols(), default_balances())
        self.http: HttpServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; after stop() on the same port as before."""
        self.http = HttpServer(self, self.port)
        self.port = self.http.server_address[1]
        poll = {"poll_interval": 0.01}
        threading.Thread(target=self.http.serve_forever, kwargs=poll, daemon=True).start()

    def stop(self) -> None:
        """Cut every connection and refuse new ones."""
        self.faults.released.set()
        if self.http:
            self.http.shutdown()
            self.http.server_close()
            self.http.cut_connections()
            self.http = None

    # What a test sets.

    def set_price(self, symbol: str, price: str | Decimal) -> None:
        """Trade at ``price``: 1,000 asked there, 1,000 bid one tick below."""
        with self.lock:
            self.matching.set_price(self.matching.symbol(symbol), Decimal(price))

    def set_book(self, symbol: str, *, bids: list[Level], asks: list[Level]) -> None:
        """Replace the book by levels of (price, quantity)."""
        with self.lock:
            self.matching.set_book(self.matching.symbol(symbol), bids=bids, asks=asks)

    def set_balance(self, asset: str, amount: str | Decimal) -> None:
        with self.lock:
            self.matching.balances[asset] = Decimal(amount)

    def set_commission_rate(self, rate: str | Decimal) -> None:
        with self.lock:
            self.matching.commission_rate = Decimal(rate)

    def list_symbol(self, symbol: Symbol) -> None:
        with self.lock:
            self.matching.symbols[symbol.name] = symbol
            self.matching.set_price(symbol, symbol.price)

    def limit_weight(self, per_minute: int) -> None:
        self.weight.limit = per_minute

    def limit_orders(self, per_ten_seconds: int) -> None:
        self.matching.order_limit = per_ten_seconds

    def skew(self, seconds: float) -> None:
        """Move the server's clock, and with it the intervals of its limits."""
        self.skew_seconds += seconds

    def fill(self, client_order_id: str, price: str | Decimal, quantity: str | Decimal) -> None:
        """Fill a part of an open order, as its maker."""
        with self.lock:
            order = self.order(client_order_id)
            if not order.open or Decimal(quantity) > order.remaining:
                raise ValueError(f"{client_order_id} has no {quantity} open.")
            self.matching.execute(
                order, Decimal(price), Decimal(quantity), maker=True, time=self.now()
            )

    def wipe(self) -> None:
        """Forget every order and start with fresh balances, as the testnet does each month."""
        with self.lock:
            self.matching.orders.clear()
            self.matching.balances = default_balances()

    # What a test breaks.

    def fail_next(self, fault: AnyFault, *, method: str = "POST", path: str = ORDER) -> None:
        """Let ``fault`` happen to the next such request; several happen one after the other."""
        self.faults.add(method, path, fault)

    def release(self) -> None:
        """Let go of what a HOLD fault holds, and return when it is processed."""
        self.faults.released.set()
        with self.idle:
            if not self.idle.wait_for(lambda: self.in_flight == 0, PATIENCE_SECONDS):
                raise TimeoutError("A request is still being processed.")

    # What a test asks.

    def order(self, client_order_id: str) -> Order:
        """Return the latest order with this id. Raises LookupError."""
        with self.lock:
            for order in reversed(self.matching.orders):
                if order.client_order_id == client_order_id:
                    return order
        raise LookupError(client_order_id)

    @property
    def orders(self) -> list[Order]:
        with self.lock:
            return list(self.matching.orders)

    def count(self, method: str, path: str = ORDER) -> int:
        """Return how many such requests arrived."""
        with self.lock:
            return sum(1 for seen in self.seen if (seen.method, seen.path) == (method, path))

    # What the HTTP side calls.

    def now(self) -> int:
        """Return the server's time in milliseconds since 1970."""
        return int((time.time() + self.skew_seconds) * 1000)

    def see(self, method: str, path: str, query: str, body: str) -> None:
        with self.lock:
            self.seen.append(Seen(method, path, dict(parse_qsl(f"{query}&{body}"))))

    @contextmanager
    def busy(self) -> Iterator[None]:
        with self.idle:
            self.in_flight += 1
        try:
            yield
        finally:
            with self.idle:
                self.in_flight -= 1
                self.idle.notify_all()

    def process(
        self, method: str, path: str, query: str, body: str, headers: Mapping[str, str]
    ) -> Answer:
        """Answer a request that no fault hinders. Raises ApiError."""
        with self.lock:
            parameters = Parameters(query, body if method != "GET" else "")
            route = ROUTES.get((method, path))
            if route is None:
                return Answer(404, "Not Found")
            self.weight.spend(route.weight(parameters), self.now() / 1000)
            if route.signed:
                self.authorise(parameters, query, body, headers)
            content = route.answer(self.matching, parameters, self.now())
            return Answer(200, content, tuple(self.usage(route, method).items()))

    def authorise(
        self, parameters: Parameters, query: str, body: str, headers: Mapping[str, str]
    ) -> None:
        check_key(headers, self.api_key)
        parameters.text("timestamp")
        check_signature(parameters, query, body, self.api_secret)
        check_time(parameters, self.now())

    def usage(self, route: Route, method: str) -> dict[str, Any]:
        used = {"X-MBX-USED-WEIGHT-1M": str(self.weight.used)}
        if method == "POST":
            used["X-MBX-ORDER-COUNT-10S"] = str(self.matching.unfilled(self.now()))
        return used


def default_balances() -> dict[str, Decimal]:
    return {"USDT": Decimal(1_000_000), "BTC": Decimal(10), "ETH": Decimal(100)}
