"""A client of the stream that reads what a browser would, and waits for what must come."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.system.web.client import Address

#: Seconds that what must come may take on a busy machine.
PATIENCE = 300.0


class Told(NamedTuple):
    """An event; ``cursor`` is where to go on once it is read, empty in the middle of a pass."""

    name: str
    data: dict[str, Any]
    cursor: str


class Reader:
    """An open stream."""

    def __init__(self, address: Address, token: str = "", cursor: str = "", **query: str) -> None:
        self.deadline = time.monotonic() + PATIENCE
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Last-Event-ID": cursor} if cursor else {}
        while True:
            self.connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
            self.connection.request("GET", f"/stream?{urlencode(query)}", headers=headers)
            self.response = self.connection.getresponse()
            self.status = self.response.status
            if self.status != 503 or time.monotonic() > self.deadline:
                break  # on a busy machine the first connection to the database takes long
        self.cursor = cursor
        self.events = self.read() if self.status == 200 else iter(())
        if self.status == 200:
            self.until_open()

    @property
    def refusal(self) -> str:
        """The code with which it was refused."""
        return str(json.loads(self.response.read())["code"])

    def until_open(self) -> None:
        """Wait until it is known where to go on: what is committed from now on is told."""
        while not self.cursor:
            self.block()

    def block(self) -> tuple[str, str]:
        """Return name and data of the next block; both are empty where it only bears a cursor."""
        name = data = ""
        assert time.monotonic() < self.deadline, "what must come did not come"
        while (line := self.response.readline()) != b"\n":
            assert line, "the stream ended"
            field, _, value = line.decode().rstrip("\n").partition(": ")
            self.cursor = value if field == "id" else self.cursor
            name, data = (value if field == "event" else name), (value if field == "data" else data)
        return name, data

    def read(self) -> Iterator[Told]:
        while True:
            before = self.cursor
            name, data = self.block()
            if data:
                yield Told(name, json.loads(data), self.cursor if self.cursor != before else "")

    def until(self, name: str, **facts: Any) -> dict[str, Any]:
        """Return the next event of a name whose data hold some facts; those before it are lost."""
        for told in self.events:
            if told.name == name and facts.items() <= told.data.items():
                return told.data
        raise AssertionError

    def take(self, count: int) -> list[Told]:
        return [next(self.events) for _ in range(count)]

    def close(self) -> None:
        self.response.close()
        self.connection.close()
