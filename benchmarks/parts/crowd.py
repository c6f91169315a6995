"""Orders beside 100,000 open positions of other users against none: other users cost nothing."""

from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_least
from benchmarks.load import fetch_token
from benchmarks.parts.orders import ACCOUNTS, BALANCE, load_traders, place
from benchmarks.stage import Stage

TITLE = "Orders beside 100,000 positions of other users, 8 clients"

OTHERS: Final = 100_000
CLIENTS: Final = 8
#: The places of the turns without and beside other users' positions.
FIRST: Final = (0, 3, 4, 7)
SECOND: Final = (1, 2, 5, 6)


def measure(stage: Stage) -> list[Figure]:
    """Return the rates on both databases; they take turns, so that a drift hits both alike."""
    with stage.database("alone") as alone:
        bitcoin = load_traders()
        keys = population.issue_keys(CLIENTS)
        with stage.database("crowded", template=alone.name) as crowded:
            stage.say(f"loading {stage.scaled(OTHERS):,} positions of other users")
            load_others(stage.scaled(OTHERS), bitcoin)
            with stage.web_server(alone) as quiet, stage.web_server(crowded) as busy:
                turns = [measure_at(stage, port, keys) for port in (quiet, busy, busy, quiet) * 2]
    without, beside = (median(turns[i] for i in places) for places in (FIRST, SECOND))
    return [
        Figure("no other positions", without, "orders/s"),
        Figure("beside other users' positions", beside, "orders/s"),
        Figure("turns without: slowest ÷ fastest", spread([turns[i] for i in FIRST])),
        Figure("beside them ÷ without", beside / without, "", at_least(0.9)),
    ]


def load_others(count: int, bitcoin: population.Listed) -> None:
    population.add_accounts(first=ACCOUNTS, count=count, balance=BALANCE)
    population.add_positions(first=ACCOUNTS, count=count, instrument=bitcoin, size=Decimal("0.001"))
    population.settle()


def measure_at(stage: Stage, port: int, keys: Sequence[str]) -> float:
    """Return the orders per second of one turn."""
    return place(stage, port, [fetch_token(port, key) for key in keys], seconds=4).rate


def spread(turns: Sequence[float]) -> float:
    """Return how far equal turns lie apart: below this ratio a difference means nothing."""
    return min(turns) / max(turns)
