"""Who may ask the stream server: strangers one at a time, and no more at once than it bears."""

import asyncio
import time
from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse

from exchange_poc.stream import door as doors
from exchange_poc.stream.door import Door
from exchange_poc.web.gateway import Gateway
from kpi.stream.tickets import Ticket, signed
from tests.system.web.client import PATIENCE


class Line:
    """A client's connection, which keeps the status it is answered with."""

    status = 0

    def answer(self, status: int, *_: Any) -> None:
        self.status = status


def asked(**query: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "QUERY_STRING": urlencode(query)}


def own() -> dict[str, Any]:
    """Return a request with a ticket of ours."""
    return asked(ticket=signed(Ticket(1, 1, "marks", "", time.time() + 60, "")))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def test_strangers_are_heard_one_at_a_time_and_nobody_waits_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doors, "MOST_ASKING", 2)
    may_answer = Event()

    def application(environ: Any, start_response: Any) -> HttpResponse:
        may_answer.wait(PATIENCE)
        start_response("204 No Content", [])
        return HttpResponse()

    async def scene() -> list[int]:
        door, tasks = Door(application), []
        Gateway.start(door, asyncio.get_running_loop())
        lines = [Line() for _ in range(5)]
        requests = [asked(), asked(ticket="made-up"), own(), own(), asked()]
        for number, (line, environ) in enumerate(zip(lines, requests, strict=True)):
            if number == 4:
                may_answer.set()
                await until(lambda: not door.asking)
            task = asyncio.ensure_future(door.run(environ, b"", line))  # type: ignore[arg-type]
            tasks.append(task)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        door.hub.close()
        door.pool.shutdown()
        return [line.status for line in lines]

    assert asyncio.run(scene()) == [204, 401, 204, 503, 204]
