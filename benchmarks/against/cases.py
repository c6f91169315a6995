"""What is asked of both sides: requests that every revision answers alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.against.side import Side
from benchmarks.load import drive, http_request
from benchmarks.parts.orders import ORDER, is_filled


@dataclass(frozen=True, slots=True)
class Case:
    """A request that a number of clients repeat, each with a token of its own."""

    name: str
    clients: int
    request: Callable[[str], bytes]
    check: Callable[[bytes], bool]

    def rate(self, side: Side, *, quick: bool) -> float:
        """Return the answers a second of one turn."""
        requests = [self.request(token) for token in side.tokens[: self.clients]]
        seconds = 2 if quick else 5
        return drive(side.port, requests, seconds=seconds, check=self.check, warm_up=0.5).rate


def order(token: str) -> bytes:
    return http_request("POST", "/orders", token=token, body=ORDER)


def read(path: str) -> Callable[[str], bytes]:
    return lambda token: http_request("GET", path, token=token)


CASES: Final = (
    Case("orders, 1 client", 1, order, is_filled),
    Case("orders, 8 clients", 8, order, is_filled),
    Case("orders, 32 clients", 32, order, is_filled),
    Case("GET /account/me, 8 clients", 8, read("/account/me"), lambda a: b'"equity"' in a),
    Case("GET /market/price, 8 clients", 8, read("/market/price/BTCUSDT"), lambda a: b'"pr' in a),
)
