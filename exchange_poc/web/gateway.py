"""Hands requests from the asynchronous server to the WSGI application, each once it is whole.

Heads and bodies arrive, and answers leave, without a thread: a client that sends half a request or
reads its answer slowly keeps nobody else waiting. A thread is taken for the application alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from io import BytesIO
from itertools import chain
from typing import Any, Final

from exchange_poc.web.client import Client, ClientLeft, Headers, Receive, Send
from exchange_poc.web.environ import environ_of
from exchange_poc.web.long_answer import PIECE, LongAnswer

log = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 20  # for the whole head, and again for the whole body
#: A longer body waits until fewer than LONG_AT_ONCE others arrive.
LONG_BODY: Final = 65_536
LONG_AT_ONCE: Final = 32
TAKEN_IN: Final = 8_388_608  # of a body that is refused for its length

JSON: Final = [("content-type", "application/json")]


class BrokenBody(Exception):
    """The client went away before the end of its body."""


class Gateway:
    """The application as granian calls it (ASGI), with the threads that run it.

    ``close`` is called once the last of them has answered.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        *,
        threads: int,
        longest_body: int,
        close: Callable[[], None],
    ) -> None:
        self.application = application
        self.threads = threads
        self.longest_body = longest_body
        self.close = close

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.start(asyncio.get_running_loop())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.stop()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await self.handle(scope, Client(receive, send))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="web")
        self.long_bodies = asyncio.Semaphore(LONG_AT_ONCE)

    async def stop(self) -> None:
        """Let what runs be answered; the loop goes on, since long answers need it."""
        await asyncio.to_thread(self.pool.shutdown)
        self.close()

    async def handle(self, scope: dict[str, Any], client: Client) -> None:
        environ = environ_of(scope)
        # Of a body that the application refuses for its length, it need not see more than that.
        length = min(int(environ.get("CONTENT_LENGTH", 0)), self.longest_body + 1)
        if length == 0:
            await self.run(environ, b"", client)
        else:
            await self.take_in(environ, length, client)

    async def take_in(self, environ: dict[str, Any], length: int, client: Client) -> None:
        """Wait for the body, and its turn if it is a long one, within REQUEST_SECONDS; answer."""
        turn = self.long_bodies if length > LONG_BODY else nullcontext()
        try:
            async with asyncio.timeout(REQUEST_SECONDS), turn:
                body = await read_body(client, length)
        except TimeoutError:
            refuse(client, 408, "request_timeout", "The body did not arrive in time.")
        except BrokenBody:
            refuse(client, 400, "bad_request", "The body ended before its length.")
        else:
            await self.run(environ, body, client)

    async def run(self, environ: dict[str, Any], body: bytes, client: Client) -> None:
        environ["wsgi.input"] = BytesIO(body)
        await self.loop.run_in_executor(self.pool, self.answer, environ, client)
        if client.delivery is not None:
            await asyncio.wrap_future(client.delivery)

    def answer(self, environ: dict[str, Any], client: Client) -> None:
        """Run the application in a thread, which never waits for the client; it may have left."""
        try:
            self.respond(environ, client)
        except ClientLeft:
            pass  # which the delivery of the answer has logged
        except Exception:
            log.exception("unanswered request")
            if not client.is_answered:
                refuse(client, 500, "internal_error", "The request failed; it was logged.")

    def respond(self, environ: dict[str, Any], client: Client) -> None:
        """Run the application and send its answer, whole if it is not long."""
        status, headers = 500, Headers()

        def start_response(line: str, fields: Headers, exc_info: object = None) -> None:
            nonlocal status, headers
            status, headers = int(line[:3]), fields

        response = self.application(environ, start_response)
        try:
            parts = in_parts(response)
            first, second = next(parts), next(parts, None)
            if second is None:
                client.answer(status, headers, first)
            else:
                with LongAnswer(client, environ["PATH_INFO"], self.loop) as answer:
                    answer.begin(status, headers)
                    for part in chain((first, second), parts):
                        answer.write(part)
        finally:
            if hasattr(response, "close"):
                response.close()


async def read_body(client: Client, length: int) -> bytes:
    """Return the first ``length`` bytes of a body. Raises BrokenBody.

    More is thrown away, within TAKEN_IN: a client that still sends would not hear the answer.
    """
    body, taken = bytearray(), 0
    async for part in client.body():
        taken += len(part)
        body += part[: length - len(body)]
        if taken > TAKEN_IN:
            break
    if len(body) < length:
        raise BrokenBody
    return bytes(body)


def in_parts(response: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a response consists of in parts of PIECE bytes and more, the last one shorter."""
    held: list[bytes] = []
    size = 0
    for chunk in response:
        held.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def refuse(client: Client, status: int, code: str, detail: str) -> None:
    """Answer in the application's stead, with an error as it words them."""
    client.answer(status, JSON, json.dumps({"detail": detail, "code": code}).encode())
