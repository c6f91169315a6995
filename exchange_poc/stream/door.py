"""The door of the stream server: the exchange's own application says who may come in.

A request for a stream goes through Django as any other does, with authentication, limits, the log
line and the metrics; what it grants is then served without a thread.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Final, cast
from urllib.parse import parse_qs

from django.http import HttpResponse
from rest_framework_simplejwt.exceptions import InvalidToken

from accounts.authentication import verified
from accounts.metrics import auth_failures_total
from exchange_poc.stream.audience import Entrance
from exchange_poc.stream.hub import Hub
from exchange_poc.web.client import Client, Headers
from exchange_poc.web.gateway import Gateway, refuse
from kpi.errors import InvalidTicket, StreamsFull
from kpi.stream.api import STREAMS, Opening
from kpi.stream.tickets import read_ticket

PATH: Final = "/stream"
#: Threads in which Django grants streams.
THREADS: Final = 4
LONGEST_BODY: Final = 0
#: Requests that the application has at once, and those among them that bear no signature of ours:
#: to refuse each of a flood of them takes the interpreter's time, in which streams stand still.
MOST_ASKING: Final = 256
MOST_STRANGERS: Final = 1
UNKNOWN: Final = "not_authenticated"
#: Where the application's answer leaves a stream that it grants.
GRANTED: Final = "exchange_poc.stream.granted"


class Door(Gateway):
    """The application of the stream server as granian calls it (ASGI)."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        super().__init__(
            application, threads=THREADS, longest_body=LONGEST_BODY, close=lambda: None
        )
        self.hub = Hub()
        self.asking = self.strangers = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        super().start(loop)
        loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(self.say_farewell()))
        loop.call_soon(self.hub.start)

    async def stop(self) -> None:
        self.hub.close()
        await super().stop()

    async def say_farewell(self) -> None:
        """Tell all streams, then stop as the server would have by itself on this signal."""
        await self.hub.say_farewell()
        os.kill(os.getpid(), signal.SIGINT)

    async def handle(self, scope: dict[str, Any], client: Client) -> None:
        if scope["path"] != PATH:
            refuse(client, 404, "not_found", "There is nothing at this address.")
        else:
            await super().handle(scope, client)

    async def run(self, environ: dict[str, Any], body: bytes, client: Client) -> None:
        """Ask the application, and serve the stream that it grants."""
        stranger = not is_signed(environ)
        if stranger and self.strangers >= MOST_STRANGERS:
            auth_failures_total.labels(code=UNKNOWN).inc()
            refuse(client, 401, UNKNOWN, "Send the token of an API key, or a ticket.")
        elif self.asking >= MOST_ASKING:
            refuse(client, StreamsFull.status, StreamsFull.code, StreamsFull.detail)
        else:
            entrance = Entrance(self.hub.places)
            environ |= {"wsgi.input": BytesIO(body), STREAMS: entrance}
            try:
                await self.ask(environ, client, stranger=stranger)
                if GRANTED in environ:
                    subscription, headers = environ[GRANTED]
                    await self.hub.serve(subscription, headers, client)
            finally:
                entrance.leave()

    async def ask(self, environ: dict[str, Any], client: Client, *, stranger: bool) -> None:
        """Have the application answer, and count who asks it meanwhile."""
        self.asking, self.strangers = self.asking + 1, self.strangers + stranger
        try:
            await self.loop.run_in_executor(self.pool, self.answer, environ, client)
        finally:
            self.asking, self.strangers = self.asking - 1, self.strangers - stranger

    def respond(self, environ: dict[str, Any], client: Client) -> None:
        """Send an answer that is none of a stream; a stream is left to the loop."""
        status, headers = 500, Headers()

        def start_response(line: str, fields: Headers, exc_info: object = None) -> None:
            nonlocal status, headers
            status, headers = int(line[:3]), fields

        response = cast("HttpResponse", self.application(environ, start_response))
        response.close()
        if isinstance(response, Opening) and environ["REQUEST_METHOD"] == "GET":
            environ[GRANTED] = response.subscription, headers
        else:
            client.answer(status, headers, response.content)


def is_signed(environ: dict[str, Any]) -> bool:
    """Tell whether a request bears a token or a ticket that was signed here and has not expired.

    Whether it still opens anything is for the application to say.
    """
    try:
        tickets = parse_qs(environ["QUERY_STRING"]).get("ticket")
        if tickets:
            return bool(read_ticket(tickets[-1]))
        token = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1").partition(b" ")[2]
        return bool(token) and verified(token.strip())["exp"] > time.time()
    except (InvalidTicket, InvalidToken, ValueError):
        return False
