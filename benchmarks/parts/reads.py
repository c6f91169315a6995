"""Reads over HTTP at 8 clients: the account statement and a price."""

from typing import Final

from benchmarks import population
from benchmarks.figures import Figure
from benchmarks.load import drive, fetch_token, http_request
from benchmarks.parts.orders import load_traders
from benchmarks.stage import Stage

TITLE = "Reads over HTTP, 8 clients"

CLIENTS: Final = 8
READS: Final = {"/account/me": b'"equity"', "/market/price/BTCUSDT": b'"price"'}


def measure(stage: Stage) -> list[Figure]:
    """Return rate and latencies of each read."""
    with stage.database("reads") as database:
        load_traders()
        with stage.web_server(database) as port:
            tokens = [fetch_token(port, key) for key in population.issue_keys(CLIENTS)]
            return [
                figure
                for path, marker in READS.items()
                for figure in measure_read(stage, port, tokens, path, marker)
            ]


def measure_read(
    stage: Stage, port: int, tokens: list[str], path: str, marker: bytes
) -> list[Figure]:
    stage.say(f"GET {path}")
    requests = [http_request("GET", path, token=token) for token in tokens]
    load = drive(port, requests, seconds=stage.seconds(6), check=lambda answer: marker in answer)
    return [
        Figure(f"GET {path}: rate", load.rate, "requests/s"),
        Figure(f"GET {path}: p50", load.quantile(0.5), "ms"),
        Figure(f"GET {path}: p99", load.quantile(0.99), "ms"),
    ]
