"""Orders over HTTP at 1, 8 and 32 clients, beside the floor of their own SQL under pgbench."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from benchmarks import floor, population
from benchmarks.figures import Figure, at_least
from benchmarks.load import Load, drive, fetch_token, http_request
from benchmarks.pgbench import run_script
from benchmarks.stage import Database, Stage

TITLE = "Orders over HTTP"

CLIENTS: Final = (1, 8, 32)
ACCOUNTS: Final = 1000
BALANCE: Final = Decimal(100_000_000)
ORDER: Final = {"symbol": "BTCUSDT", "side": "buy", "size": "0.0001"}


@dataclass(frozen=True, slots=True)
class Floor:
    """Orders per second under pgbench: of the code's own SQL and of plain statements."""

    captured: float
    plain: float


def measure(stage: Stage) -> list[Figure]:
    """Return rates, latencies and ratios to the floor."""
    ceiling = measure_ceiling(stage)
    with stage.database("orders") as database:
        load_traders()
        with stage.web_server(database) as port:
            tokens = [fetch_token(port, key) for key in population.issue_keys(max(CLIENTS))]
            loads = {n: place(stage, port, tokens[:n]) for n in CLIENTS}
            shared = place(stage, port, tokens[:1] * 8)
        check_ledger()
        floors = measure_floors(stage, database)
    figures = [figure for n in CLIENTS for figure in compare(n, loads[n], floors[n])]
    figures.append(Figure("8 clients of one account", shared.rate, "orders/s"))
    return [*figures, Figure("ceiling of the load generator, 8 clients", ceiling, "requests/s")]


def load_traders(*, accounts: int = ACCOUNTS) -> population.Listed:
    """Open accounts with a balance that orders never use up, each with a small position."""
    [bitcoin] = population.list_instruments([("BTCUSDT", Decimal(65_000))])
    population.lift_limits()
    population.add_accounts(first=0, count=accounts, balance=BALANCE)
    population.add_positions(first=0, count=accounts, instrument=bitcoin, size=Decimal("0.001"))
    population.settle()
    return bitcoin


def place(stage: Stage, port: int, tokens: Sequence[str], *, seconds: float = 8) -> Load:
    """Place orders, one client per token."""
    stage.say(f"orders over HTTP, {len(tokens)} clients of {len(set(tokens))} accounts")
    requests = [http_request("POST", "/orders", token=token, body=ORDER) for token in tokens]
    return drive(port, requests, seconds=stage.seconds(seconds), check=is_filled)


def is_filled(answer: bytes) -> bool:
    return b'"status":"FILLED"' in answer


def compare(clients: int, load: Load, floors: Floor) -> list[Figure]:
    """Return the figures of one number of clients."""
    goal = at_least(0.25) if clients == 8 else None
    p50, p99 = load.quantile(0.5), load.quantile(0.99)
    name = f"{clients} client{'s' if clients > 1 else ''}"
    return [
        Figure(f"{name}: rate", load.rate, "orders/s"),
        Figure(f"{name}: floor, its own SQL", floors.captured, "orders/s"),
        Figure(f"{name}: rate ÷ floor", load.rate / floors.captured, "", goal),
        Figure(f"{name}: floor, plain statements", floors.plain, "orders/s"),
        Figure(f"{name}: rate ÷ plain floor", load.rate / floors.plain),
        Figure(f"{name}: p50", p50, "ms"),
        Figure(f"{name}: p99", p99, "ms"),
        Figure(f"{name}: p99 ÷ p50", p99 / p50),
    ]


def check_ledger() -> None:
    """Raise where the load has left the ledger unsound."""
    from trading.history.ledger_check import ledger_differences

    differences = ledger_differences()
    if differences:
        raise AssertionError(f"the ledger is unsound: {differences[:3]}")


def measure_floors(stage: Stage, database: Database) -> dict[int, Floor]:
    """Return the floors by number of clients.

    Leaves positions behind that are not the sum of their trades.
    """
    captured, plain = stage.local.root / "floor.sql", stage.local.root / "plain_floor.sql"
    statements = floor.capture(place_one)
    floor.write_script(statements, captured, accounts=ACCOUNTS)
    floor.write_plain_script(statements, plain, accounts=ACCOUNTS)

    def rate(script: Path, clients: int) -> float:
        stage.say(f"{script.stem} by pgbench, {clients} clients")
        seconds = stage.seconds(6)
        return run_script(database, script, clients=clients, seconds=seconds).per_second

    return {n: Floor(rate(captured, n), rate(plain, n)) for n in CLIENTS}


def place_one() -> None:
    """Place the order of the load for the first account, through the service."""
    from risk.engine import Intent
    from trading.services import place_order

    place_order(
        user_id=population.USER_BASE,
        intent=Intent(symbol="BTCUSDT", is_buy=True, size=Decimal(ORDER["size"])),
    )


def measure_ceiling(stage: Stage) -> float:
    """Return the requests per second of the load generator against a server that does nothing."""
    stage.say("the load generator by itself")
    command = [sys.executable, "-S", "-m", "benchmarks.null_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline())
            requests = [http_request("POST", "/orders", token="x" * 200, body=ORDER)] * 8
            return drive(port, requests, seconds=2, check=bool, warm_up=0.2).rate
        finally:
            server.kill()
