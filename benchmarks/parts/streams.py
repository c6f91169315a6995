"""500 open streams at a market step a second: how soon they are told, and what orders pay.

Turns with and without streams alternate, so that a drift of the machine hits both alike. The
market goes on in all of them.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle
from statistics import median
from typing import Final

import psutil  # type: ignore[import-untyped]

from benchmarks import population
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.load import Load, fetch_token
from benchmarks.parts.crowd import spread
from benchmarks.parts.orders import check_ledger, load_traders, place
from benchmarks.stage import Stage

TITLE = "500 open streams, a market step a second"

KEYS: Final = 100
OF_A_KEY: Final = 5
STREAMS: Final = KEYS * OF_A_KEY
#: Their orders are told to their own streams.
CLIENTS: Final = 8
INSTRUMENTS: Final = 10
STEP_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 12.0
LATEST: Final = at_most(250)

EVENTS: Final = """
SELECT id, channel, extract(epoch FROM created_at)::float8 FROM kpi_streamevent
WHERE created_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)
"""

Window = tuple[float, float]


@dataclass
class Heard:
    """What the streams were told, and when; windows are in seconds of the epoch.

    Work is the share of a core that the stream server took meanwhile.
    """

    opening: list[float] = field(default_factory=list)
    quiet: list[Window] = field(default_factory=list)
    busy: list[Window] = field(default_factory=list)
    quiet_work: list[float] = field(default_factory=list)
    busy_work: list[float] = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)


def measure(stage: Stage) -> list[Figure]:
    """Return delays from an event's row to its arrival, and the orders per second."""
    heard, alone, beside = Heard(), list[Load](), list[Load]()
    with stage.database("streams") as database:
        prices = load()
        keys = population.issue_keys(KEYS)
        with (
            stage.web_server(database) as web,
            stage.stream_server(database) as (streams, pid),
            market(prices),
        ):
            tokens = [fetch_token(web, key) for key in keys]
            for _ in range(2):
                alone.append(place(stage, web, tokens[:CLIENTS], seconds=6))
                with audience(stage, streams, tokens * OF_A_KEY, heard):
                    with window(heard.quiet), at_work(pid, heard.quiet_work):
                        time.sleep(stage.seconds(QUIET_SECONDS))
                    with window(heard.busy), at_work(pid, heard.busy_work):
                        beside += [place(stage, web, tokens[:CLIENTS], seconds=6) for _ in "12"]
                alone.append(place(stage, web, tokens[:CLIENTS], seconds=6))
        check_ledger()
        delays = delays_of(heard)
    return figures(heard, delays, [load.rate for load in alone], [load.rate for load in beside])


def load() -> dict[str, Decimal]:
    """Open the accounts, list instruments and return all prices."""
    bitcoin = load_traders(accounts=KEYS)
    others = [(f"SYM{number}USDT", Decimal(10 * number)) for number in range(1, INSTRUMENTS)]
    listed = [bitcoin, *population.list_instruments(others)]
    return {instrument.symbol: instrument.price for instrument in listed}


@contextmanager
def market(prices: Mapping[str, Decimal]) -> Iterator[None]:
    """Run a step of all instruments a second, up and down in turn, as a worker would."""
    over = threading.Event()

    def run() -> None:
        from django.db import connection

        from trading.steps.by_hand import step_at_prices

        due = time.monotonic()
        for factor in cycle((Decimal("1.001"), Decimal(1))):
            due += STEP_SECONDS
            if over.wait(max(0.0, due - time.monotonic())):
                break
            step_at_prices({symbol: price * factor for symbol, price in prices.items()})
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def audience(stage: Stage, port: int, tokens: Sequence[str], heard: Heard) -> Iterator[None]:
    """Have a stream open per token, in a process of their own, and keep what they are told."""
    stage.say(f"opening {len(tokens)} streams")
    command = [sys.executable, "-m", "benchmarks.audience", str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        process.stdin.write("\n".join([*tokens, "", ""]))
        process.stdin.flush()
        if process.stdout.readline() != "open\n":
            raise AssertionError("the streams did not open")
        heard.opening.append(time.monotonic() - began)
        yield
        heard.arrivals += map(tuple, json.loads(process.communicate()[0]))


@contextmanager
def window(windows: list[Window]) -> Iterator[None]:
    """Note when a time began and ended; the last events of it have a second to arrive."""
    began = time.time()
    yield
    windows.append((began, time.time()))
    time.sleep(STEP_SECONDS)


@contextmanager
def at_work(pid: int, shares: list[float]) -> Iterator[None]:
    """Note the share of a core that a process and its children take."""
    began, before = time.monotonic(), processor_seconds(pid)
    yield
    shares.append((processor_seconds(pid) - before) / (time.monotonic() - began))


def processor_seconds(pid: int) -> float:
    server = psutil.Process(pid)
    times = (process.cpu_times() for process in (server, *server.children(recursive=True)))
    return float(sum(spent.user + spent.system for spent in times))


def delays_of(heard: Heard) -> dict[tuple[str, bool], list[float]]:
    """Return sorted delays in milliseconds, by channel and whether orders were placed meanwhile.

    Raises AssertionError where a mark did not reach every stream once.
    """
    from django.db import connection

    delays: dict[tuple[str, bool], list[float]] = {}
    for is_busy, windows in enumerate((heard.quiet, heard.busy)):
        for bounds in windows:
            with connection.cursor() as cursor:
                cursor.execute(EVENTS, bounds)
                events = {number: (name, at) for number, name, at in cursor.fetchall()}
            counts = Counter(number for number, _ in heard.arrivals if number in events)
            for number, (name, _) in events.items():
                if counts[number] != (STREAMS if name == "marks" else OF_A_KEY):
                    raise AssertionError(f"{name} {number} came to {counts[number]} streams")
            for number, arrived in heard.arrivals:
                if number in events:
                    name, at = events[number]
                    delays.setdefault((name, bool(is_busy)), []).append(1000 * (arrived - at))
    return {key: sorted(values) for key, values in delays.items()}


def figures(
    heard: Heard,
    delays: Mapping[tuple[str, bool], Sequence[float]],
    alone: Sequence[float],
    beside: Sequence[float],
) -> list[Figure]:
    without, along = median(alone), median(beside)
    quiet, busy, trades = delays["marks", False], delays["marks", True], delays["trades", True]
    return [
        Figure("open streams", STREAMS, "streams"),
        Figure("opened in a second", STREAMS / median(heard.opening), "streams/s"),
        Figure("marks: p50", quantile(quiet, 0.5), "ms"),
        Figure("marks: p95", quantile(quiet, 0.95), "ms", LATEST),
        Figure("marks beside 8 clients' orders: p50", quantile(busy, 0.5), "ms"),
        Figure("marks beside 8 clients' orders: p95", quantile(busy, 0.95), "ms"),
        Figure("these clients' trades: p50", quantile(trades, 0.5), "ms"),
        Figure("these clients' trades: p95", quantile(trades, 0.95), "ms"),
        Figure("orders without streams, 8 clients", without, "orders/s"),
        Figure("orders beside streams, 8 clients", along, "orders/s"),
        Figure("stream server without orders", median(heard.quiet_work), "cores"),
        Figure("stream server beside orders", median(heard.busy_work), "cores"),
        Figure("turns without: slowest ÷ fastest", spread(alone)),
        Figure("beside streams ÷ without", along / without, "", at_least(0.9)),
    ]


def quantile(values: Sequence[float], share: float) -> float:
    """Return what ``share`` of sorted values stay within."""
    return values[min(int(share * len(values)), len(values) - 1)]
