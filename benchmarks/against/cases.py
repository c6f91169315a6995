"""What is asked of both sides: requests that every revision answers alike, each with its goal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.against.side import Side, Trader
from benchmarks.figures import Goal, at_least
from benchmarks.load import drive, http_request
from benchmarks.parts.batch import SIZE, all_filled
from benchmarks.parts.orders import ORDER, is_filled

#: As many accounts as there are demo users.
FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A request that a number of clients repeat, over the first ``accounts`` of the traders.

    ``goal`` is what the rate here ÷ the other side's is held against.
    """

    name: str
    clients: int
    accounts: int
    request: Callable[[Trader], bytes]
    check: Callable[[bytes], bool]
    goal: Goal | None = None

    def rate(self, side: Side, *, quick: bool) -> float:
        """Return the answers a second of one turn."""
        traders = [side.traders[client % self.accounts] for client in range(self.clients)]
        seconds = 2 if quick else 10
        requests = [self.request(trader) for trader in traders]
        return drive(side.port, requests, seconds=seconds, check=self.check, warm_up=0.5).rate


def order(trader: Trader) -> bytes:
    return http_request("POST", "/orders", token=trader.token, body=ORDER)


def batch(trader: Trader) -> bytes:
    body = {"orders": [ORDER] * SIZE}
    return http_request("POST", "/orders/batch", token=trader.token, body=body)


def token(trader: Trader) -> bytes:
    return http_request("POST", "/auth/token", body={"api_key": trader.key})


def read(path: str) -> Callable[[Trader], bytes]:
    return lambda trader: http_request("GET", path, token=trader.token)


def has(text: bytes) -> Callable[[bytes], bool]:
    return lambda answer: text in answer


ACCOUNT: Final = read("/account/me")
PRICE: Final = read("/market/price/BTCUSDT")
CASES: Final = (
    Case("orders, 1 client", 1, FEW, order, is_filled, at_least(1.3)),
    Case("orders, 8 clients of 3 accounts", 8, FEW, order, is_filled, at_least(2.0)),
    Case("orders, 32 clients of 3 accounts", 32, FEW, order, is_filled, at_least(2.2)),
    Case("orders, 8 clients of as many accounts", 8, 64, order, is_filled, at_least(1.6)),
    Case("orders, 32 clients of as many accounts", 32, 64, order, is_filled, at_least(2.1)),
    Case("orders, 64 clients of as many accounts", 64, 64, order, is_filled),
    Case("batches of 50, 8 clients", 8, 64, batch, all_filled, at_least(1.0)),
    Case("GET /account/me, 8 clients", 8, 64, ACCOUNT, has(b'"equity"'), at_least(2.5)),
    Case("GET /market/price, 8 clients", 8, 64, PRICE, has(b'"price"'), at_least(2.4)),
    Case("POST /auth/token, 8 clients", 8, 64, token, has(b'"access_token"'), at_least(2.3)),
)
