"""Fifty agents trade on the stream for two minutes within their limits, and hear everything."""

import csv
import time
from collections import Counter
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread
from types import ModuleType
from typing import Any

import pytest

from tests.system.agents.conftest import load_example
from tests.system.faults.stack import Stack
from tests.waiting import wait_for

AGENTS, SECONDS = 50, 120
#: Limits as they are by default, but for tokens: all agents have one address.
LIMITS = {"API_RATE_LIMIT": "100/m", "TOKEN_RATE_LIMIT": "100/m", "TICK_INTERVAL_SECONDS": "1"}
#: What there is of each kind, with the id that its events name.
BOOKS = {
    "order": "SELECT id FROM trading_order",
    "trade": "SELECT id FROM trading_trade",
    "liquidation": "SELECT id FROM trading_liquidation",
}


@pytest.fixture(autouse=True)
def forget_rate_limits() -> None:
    """Stand in for the fixture of the same name: the trial uses no cache of this process."""


@pytest.fixture(autouse=True)
def no_endless_wait() -> None:
    """Stand in for the fixture of the same name: the trial takes minutes, and ends by itself."""


@pytest.fixture
def stack() -> Iterator[Stack]:
    stack = Stack(**LIMITS)
    stack.start()
    yield stack
    stack.stop()


class Listener(Thread):
    """An agent in a thread of its own; all that its stream says is kept."""

    def __init__(self, modules: tuple[ModuleType, ModuleType], key: str, name: str, url: str):
        super().__init__(name=name, daemon=True)
        client, agent = modules
        self.statuses: Counter[int] = Counter()
        self.heard: Counter[tuple[str, int]] = Counter()
        self.event_ids: Counter[int] = Counter()
        self.over, self.may_end = Event(), Event()
        self.client = client.Client(key, url, patience=150)
        self.client._session.hooks["response"].append(self.note)
        self.agent_class, self.channels = agent.Agent, ("orders", "trades", *agent.CHANNELS)

    def note(self, response: Any, **_: Any) -> None:
        self.statuses[response.status_code] += 1

    def events(self) -> Iterator[Any]:
        for event in self.client.stream(*self.channels):
            if event.name in BOOKS:
                row = event.data[event.name]
                self.heard[event.name, row[f"{event.name}_id"]] += 1
            if event.data.get("event_id") is not None:
                self.event_ids[event.data["event_id"]] += 1
            yield event

    def run(self) -> None:
        agent, events = self.agent_class(self.client, self.name), self.events()
        end = time.monotonic() + SECONDS
        agent.run(takewhile(lambda _: time.monotonic() < end, events))
        self.over.set()
        for _ in events:
            if self.may_end.is_set():
                break


def test_fifty_agents_trade_within_their_limits_and_miss_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys.csv"
    asked = ("--count", str(AGENTS), "--tier", "beginner", "--balance", "10000")
    stack.run("manage.py", "add_traders", *asked, "--keys", str(file))
    with file.open(newline="") as rows:
        keys = {row["username"]: row["api_key"] for row in csv.DictReader(rows)}
    modules = load_example("client"), load_example("agent")
    crowd = [Listener(modules, key, name, stack.url) for name, key in keys.items()]
    began = time.monotonic()
    for one in crowd:
        one.start()
    wait_for(lambda: all(one.over.is_set() for one in crowd), what="the end", seconds=SECONDS + 180)
    seconds = time.monotonic() - began
    booked = {(name, row) for name, query in BOOKS.items() for (row,) in stack.query(query)}

    def missed() -> set[tuple[str, int]]:
        return booked - {fact for one in crowd for fact in one.heard}

    try:
        wait_for(lambda: not missed(), what="the last events", seconds=30)
    finally:
        for one in crowd:
            one.may_end.set()
        with capsys.disabled():
            print(figures(stack, crowd, missed(), seconds))
    assert not any(count > 1 for one in crowd for count in one.event_ids.values())
    assert "clean" in stack.run("manage.py", "check_ledger")
    for one in crowd:
        one.join(30)


def figures(
    stack: Stack, crowd: list[Listener], missed: set[tuple[str, int]], seconds: float
) -> str:
    """Return what there is to tell."""
    by_code = dict(
        stack.query(
            "SELECT reject_code, count(*) FROM trading_order WHERE status = 'REJECTED' GROUP BY 1"
        )
    )
    orders = stack.value("SELECT count(*) FROM trading_order")
    statuses = sum((one.statuses for one in crowd), Counter())
    doubled = sum(count - 1 for one in crowd for count in one.event_ids.values())
    return (
        f"\n{len(crowd)} agents, {seconds:.0f} s: {orders} orders, refused {by_code or 0}; "
        f"answers by status {dict(statuses)}, of them {statuses[429]} of 429\n"
        f"events heard {sum(len(one.event_ids) for one in crowd)}, missed {len(missed)}, "
        f"told twice {doubled}"
    )
