"""What counting the rate limits costs: calls under limits that hold nobody back, and without."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_least
from benchmarks.load import drive, fetch_token, http_request
from benchmarks.parts.orders import ORDER, check_ledger, load_traders
from benchmarks.stage import Stage

TITLE = "Rate limits counted, 8 clients"

CLIENTS: Final = 8
TURNS: Final = 3
COUNTED: Final = dict.fromkeys(
    ("API_RATE_LIMIT", "ORDER_RATE_LIMIT", "TOKEN_RATE_LIMIT"), "1000000/m"
)
READS: Final = ("/account/me", "/market/price/BTCUSDT")


@dataclass(frozen=True, slots=True)
class Call:
    """What each client repeats, and what stands in every answer to it."""

    name: str
    requests: Sequence[bytes]
    marker: bytes


def measure(stage: Stage) -> list[Figure]:
    """Return of each call the rate with its limits counted ÷ that without, turn about."""
    with stage.database("limits") as database, ExitStack() as servers:
        load_traders()
        lifted = servers.enter_context(stage.web_server(database))
        with variables(COUNTED):
            counted = servers.enter_context(stage.web_server(database))
        keys = population.issue_keys(CLIENTS)
        calls = calls_of(keys, [fetch_token(lifted, key) for key in keys])
        figures = [compare(stage, call, counted, lifted) for call in calls]
        servers.close()
        check_ledger()
    return figures


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for what starts within the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def calls_of(keys: Sequence[str], tokens: Sequence[str]) -> list[Call]:
    orders = [http_request("POST", "/orders", token=token, body=ORDER) for token in tokens]
    issued = [http_request("POST", "/auth/token", body={"api_key": key}) for key in keys]
    reads = [
        Call(f"GET {path}", [http_request("GET", path, token=token) for token in tokens], b'"')
        for path in READS
    ]
    return [
        Call("POST /orders", orders, b'"status":"FILLED"'),
        *reads,
        Call("POST /auth/token", issued, b"access_token"),
    ]


def compare(stage: Stage, call: Call, counted: int, lifted: int) -> Figure:
    """Return the median of the turns' ratios."""
    stage.say(call.name)
    ratios = []
    for _ in range(TURNS):
        rates = [
            drive(
                port, call.requests, seconds=stage.seconds(6), check=lambda a: call.marker in a
            ).rate
            for port in (counted, lifted)
        ]
        ratios.append(rates[0] / rates[1])
    return Figure(f"{call.name}: counted ÷ lifted", median(ratios), "", at_least(0.9))
