"""Orders beside 100,000 open positions of other users against none: other users cost nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from benchmarks import population
from benchmarks.figures import Figure, at_least
from benchmarks.load import Load, fetch_token
from benchmarks.parts.orders import ACCOUNTS, BALANCE, load_traders, place
from benchmarks.stage import Stage

TITLE = "Orders beside 100,000 positions of other users, 8 clients"

OTHERS: Final = 100_000
CLIENTS: Final = 8


def measure(stage: Stage) -> list[Figure]:
    """Return the rates on both databases; they take turns, so that a drift hits both alike."""
    with stage.database("alone") as alone:
        bitcoin = load_traders()
        keys = population.issue_keys(CLIENTS)
        with stage.database("crowded", template=alone.name) as crowded:
            stage.say(f"loading {stage.scaled(OTHERS):,} positions of other users")
            load_others(stage.scaled(OTHERS), bitcoin)
            with stage.web_server(alone) as quiet, stage.web_server(crowded) as busy:
                turns = [measure_at(stage, port, keys) for port in (quiet, busy, busy, quiet)]
    without, beside = rate([turns[0], turns[3]]), rate([turns[1], turns[2]])
    return [
        Figure("no other positions", without, "orders/s"),
        Figure("beside other users' positions", beside, "orders/s"),
        Figure("beside them ÷ without", beside / without, "", at_least(0.9)),
    ]


def load_others(count: int, bitcoin: population.Listed) -> None:
    population.add_accounts(first=ACCOUNTS, count=count, balance=BALANCE)
    population.add_positions(first=ACCOUNTS, count=count, instrument=bitcoin, size=Decimal("0.001"))
    population.settle()


def measure_at(stage: Stage, port: int, keys: Sequence[str]) -> Load:
    return place(stage, port, [fetch_token(port, key) for key in keys], seconds=6)


def rate(turns: Sequence[Load]) -> float:
    """Return the orders per second over several turns."""
    return sum(len(t.latencies) for t in turns) / sum(t.seconds for t in turns)
