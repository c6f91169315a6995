"""The stream: whoever dies, each user's reader hears all that is booked, in order."""

import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.system.agents.conftest import load_example
from tests.system.faults.conftest import Population, Trials
from tests.system.faults.stack import Stack
from tests.system.faults.trial import Trial
from tests.system.faults.trial_postgres import strike
from tests.system.faults.trial_valkey import answers, end_valkey
from tests.system.faults.trial_web import kill_web_process
from tests.waiting import wait_for

CHANNELS = ("marks", "orders", "trades", "account")
NUMBER = re.compile(rb'data: \{"event_id": ?(\d+)')
#: What each user must have heard of since a time: the books, and each event of the journal, which
#: has one for every change of an order. Marks are for everybody.
FACTS = """
SELECT account.user_id, fact.name, fact.id
FROM (
    SELECT 'order' AS name, account_id, id FROM trading_order WHERE created_at >= %(since)s
    UNION ALL
    SELECT 'trade', account_id, id FROM trading_trade WHERE created_at >= %(since)s
    UNION ALL
    SELECT 'transfer', unnest(ARRAY[debit_account_id, credit_account_id]), id
    FROM accounts_transfer WHERE created_at >= %(since)s
    UNION ALL
    SELECT 'event', account_id, id FROM kpi_streamevent
    WHERE created_at >= %(since)s AND channel IN ('marks', 'orders', 'trades', 'account')
) AS fact
JOIN accounts_account AS account ON account.id = fact.account_id OR fact.account_id IS NULL
WHERE account.user_id = ANY(%(users)s)
"""

Fact = tuple[int, str, int]


class Told(NamedTuple):
    """An event as a reader got it, at a time of the monotonic clock."""

    at: float
    name: str
    event_id: int | None
    data: dict[str, Any]


class Reader(threading.Thread):
    """A user's stream in a thread of its own, by the example's client; all it tells is kept."""

    def __init__(self, example: ModuleType, key: str, url: str) -> None:
        super().__init__(daemon=True)
        self.client = example.Client(key, url)
        self.user_id = int(self.client.account()["user_id"])
        self.told: list[Told] = []
        self.arrived: Counter[int] = Counter()
        self.connections = 0
        self.may_end = threading.Event()
        self.client._session.hooks["response"].append(self.listen_in)

    def run(self) -> None:
        for event in self.client.stream(*CHANNELS):
            number = event.data.get("event_id")
            self.told.append(Told(time.monotonic(), event.name, number, event.data))
            if self.may_end.is_set():
                return

    def listen_in(self, response: Any, **_: Any) -> None:
        """Count what comes before the client leaves out what it knows."""
        if response.headers.get("Content-Type", "").startswith("text/event-stream"):
            self.connections += 1
            response.iter_lines = partial(self.counted, response.iter_lines())

    def counted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        number = None
        for line in lines:
            if found := NUMBER.match(line):
                number = int(found[1])
            elif not line and number is not None:
                self.arrived[number] += 1
                number = None
            yield line

    def heard_since(self, moment: float) -> bool:
        return bool(self.told) and self.told[-1].at > moment

    @property
    def facts(self) -> Iterator[Fact]:
        """What it knows from what it was told."""
        for _, name, event_id, data in tuple(self.told):
            if event_id is not None:
                yield self.user_id, "event", event_id
            if name in {"order", "trade"}:
                yield self.user_id, name, data[name][f"{name}_id"]
            elif data.get("kind") == "transfer":
                yield self.user_id, "transfer", data["transfer"]["transfer_id"]

    @property
    def doubled(self) -> list[int]:
        """Events that came more than once."""
        return sorted(number for number, count in self.arrived.items() if count > 1)

    @property
    def disorder(self) -> list[tuple[int, int]]:
        """Events one after the other whose numbers do not rise: of the account, and marks."""
        told = [(t.name == "mark", t.event_id) for t in self.told if t.event_id is not None]
        own = [number for is_mark, number in told if not is_mark]
        marks = [number for is_mark, number in told if is_mark]
        return [pair for row in (own, marks) for pair in pairwise(row) if pair[0] >= pair[1]]

    @property
    def silence(self) -> float:
        """The longest time, in seconds, in which nothing came."""
        return max((b.at - a.at for a, b in pairwise(tuple(self.told))), default=0.0)


def kill_worker(trial: Trial) -> None:
    trial.stack.worker().kill()


def kill_stream_server(trial: Trial) -> None:
    server = trial.stack.service("exchange_poc.stream")
    for process in (server, *server.children()):
        process.kill()


def kill_valkey(trial: Trial) -> None:
    end_valkey(trial.stack, signal.SIGKILL)
    wait_for(lambda: answers(trial.stack), what="Valkey's return", seconds=30)


#: What is killed: its name, how, and for how long a client may go without an answer.
KILLS: dict[str, tuple[str, Callable[[Trial], None], float]] = {
    "web": ("a web process", lambda trial: kill_web_process(trial.stack), 5),
    "worker": ("the worker", kill_worker, 0),
    "server": ("the stream server", kill_stream_server, 0),
    "valkey": ("Valkey", kill_valkey, 0),
    "postgres": ("PostgreSQL", partial(strike, number=signal.SIGKILL), 10),
}


@pytest.mark.parametrize("victim", KILLS)
def test_readers_miss_nothing_when_something_is_killed(
    trials: Trials, stack: Stack, population: Population, victim: str
) -> None:
    title, kill, longest_outage = KILLS[victim]
    title = f"streams; kill -9 of {title}"
    with listening(stack, population.keys) as readers:
        since = stack.value("SELECT clock_timestamp()")
        with trials(name=f"stream-{victim}", title=title, longest_outage=longest_outage) as trial:
            kill(trial)
            killed = time.monotonic()
            wait_for(
                lambda: all(reader.heard_since(killed) for reader in readers),
                what="all streams' return",
                seconds=60,
            )
        users = [reader.user_id for reader in readers]
        facts = set(stack.query(FACTS, {"since": since, "users": users}))

        def missed() -> set[Fact]:
            return facts.difference(*(reader.facts for reader in readers))

        try:
            wait_for(lambda: not missed(), what="the last events", seconds=30)
        finally:
            tell(trial, readers, facts, missed())
    assert not [pair for reader in readers for pair in reader.disorder]
    assert not [told for reader in readers for told in reader.told if told.name == "forgotten"]


@contextmanager
def listening(stack: Stack, keys: Sequence[str]) -> Iterator[Sequence[Reader]]:
    """Have a stream open for each key during the block."""
    example = load_example("client")
    readers = [Reader(example, key, stack.url) for key in keys]
    for reader in readers:
        reader.start()
    try:
        wait_for(lambda: all(r.heard_since(0) for r in readers), what="all streams", seconds=60)
        yield readers
    finally:
        for reader in readers:
            reader.may_end.set()
        for reader in readers:
            reader.join(30)


def tell(trial: Trial, readers: Sequence[Reader], facts: set[Fact], missed: set[Fact]) -> None:
    """Note the figures."""
    kinds = Counter(name for _, name, _ in facts)
    booked = ", ".join(f"{kinds[name]} {name}s" for name in ("order", "trade", "transfer"))
    doubled = [number for reader in readers for number in reader.doubled]
    came = sum(reader.arrived.total() for reader in readers)
    trial.note(f"booked: {booked}; {kinds['event']} events to hear, {came} came")
    disorder = sum(len(reader.disorder) for reader in readers)
    trial.note(
        f"missed {len(missed)}, came twice {len(doubled)}, out of order {disorder}, "
        f"streams opened {sum(r.connections for r in readers)}, "
        f"longest silence of a reader {max(r.silence for r in readers):.2f} s"
    )
    if doubled:
        trial.note(f"came twice: {', '.join(map(str, doubled[:10]))}")
    for fact in sorted(missed)[:5]:
        trial.note(f"MISSED by user {fact[0]}: {fact[1]} {fact[2]}")
