"""Batches of 50 orders against single orders, both at 8 clients."""

from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_least
from benchmarks.load import drive, fetch_token, http_request
from benchmarks.parts.orders import ORDER, check_ledger, load_traders, place
from benchmarks.stage import Stage

TITLE = "Orders in batches of 50, 8 clients"

CLIENTS: Final = 8
SIZE: Final = 50


def measure(stage: Stage) -> list[Figure]:
    """Return orders per second in batches, one by one, and their ratio."""
    with stage.database("batch") as database:
        load_traders()
        with stage.web_server(database) as port:
            tokens = [fetch_token(port, key) for key in population.issue_keys(CLIENTS)]
            single = place(stage, port, tokens)
            stage.say("the same orders in batches")
            body = {"orders": [ORDER] * SIZE}
            requests = [
                http_request("POST", "/orders/batch", token=token, body=body) for token in tokens
            ]
            batches = drive(port, requests, seconds=stage.seconds(8), check=all_filled)
        check_ledger()
    rate = batches.rate * SIZE
    return [
        Figure("single orders", single.rate, "orders/s"),
        Figure("in batches", rate, "orders/s"),
        Figure("batches ÷ single orders", rate / single.rate, "", at_least(10)),
        Figure("p50 of a batch", batches.quantile(0.5), "ms"),
        Figure("p99 of a batch", batches.quantile(0.99), "ms"),
    ]


def all_filled(answer: bytes) -> bool:
    return answer.count(b'"status":"FILLED"') == SIZE
