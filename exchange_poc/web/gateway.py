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
from contextlib import nullcontext, suppress
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from granian._granian import RSGIProtocolClosed, RSGIProtocolError

from exchange_poc.web.environ import environ_of

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian._granian import RSGIHTTPStreamTransport as HTTPStreamTransport
    from granian.rsgi import Scope

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]

REQUEST_SECONDS: Final = 20  # for the whole head, and again for the whole body
#: A longer body waits until fewer than LONG_AT_ONCE others arrive.
LONG_BODY: Final = 65_536
LONG_AT_ONCE: Final = 32
TAKEN_IN: Final = 8_388_608  # of a body that is refused for its length
#: A longer answer is sent in parts, a thread waiting for each to be taken.
PART: Final = 2_097_152
PART_SECONDS: Final = 20

JSON: Final = [("content-type", "application/json")]


class NotTaken(Exception):
    """The client did not take a part of its answer in time."""


#: Raised where an answer finds nobody who takes it, or takes it in time.
CLIENT_LEFT: Final = (RSGIProtocolClosed, RSGIProtocolError, NotTaken)


class BrokenBody(Exception):
    """The client went away before the end of its body."""


class Gateway:
    """The application as granian calls it (RSGI), with the threads that run it.

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

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="web")
        self.long_bodies = asyncio.Semaphore(LONG_AT_ONCE)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pool.shutdown()
        self.close()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        environ = environ_of(scope)
        # Of a body that the application refuses for its length, it need not see more than that.
        length = min(int(environ.get("CONTENT_LENGTH", 0)), self.longest_body + 1)
        if length == 0:
            await self.run(environ, b"", protocol)
        else:
            await self.take_in(environ, length, protocol)

    async def take_in(self, environ: dict[str, Any], length: int, protocol: HTTPProtocol) -> None:
        """Wait for the body, and its turn if it is a long one, within REQUEST_SECONDS; answer."""
        turn = self.long_bodies if length > LONG_BODY else nullcontext()
        try:
            async with asyncio.timeout(REQUEST_SECONDS), turn:
                body = await read_body(protocol, length)
        except TimeoutError:
            refuse(protocol, 408, "request_timeout", "The body did not arrive in time.")
        except BrokenBody:
            refuse(protocol, 400, "bad_request", "The body ended before its length.")
        else:
            await self.run(environ, body, protocol)

    async def run(self, environ: dict[str, Any], body: bytes, protocol: HTTPProtocol) -> None:
        environ["wsgi.input"] = BytesIO(body)
        await self.loop.run_in_executor(self.pool, self.answer, environ, protocol)

    def answer(self, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
        """Run the application in a thread and send what it answers; a client may have left."""
        try:
            self.respond(environ, protocol)
        except CLIENT_LEFT:
            pass
        except Exception:
            log.exception("unanswered request")
            with suppress(*CLIENT_LEFT):
                refuse(protocol, 500, "internal_error", "The request failed; it was logged.")

    def respond(self, environ: dict[str, Any], protocol: HTTPProtocol) -> None:
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
                protocol.response_bytes(status, headers, first)
            else:
                self.stream(protocol, status, headers, chain((first, second), parts))
        finally:
            if hasattr(response, "close"):
                response.close()

    def stream(
        self, protocol: HTTPProtocol, status: int, headers: Headers, parts: Iterable[bytes]
    ) -> None:
        """Send a long answer part by part; a client that takes none for too long is left."""
        transport = protocol.response_stream(status, headers)
        for part in parts:
            sent = asyncio.run_coroutine_threadsafe(send(transport, part), self.loop)
            sent.result()


async def send(transport: HTTPStreamTransport, part: bytes) -> None:
    """Send a part, within PART_SECONDS. Raises NotTaken."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            await transport.send_bytes(part)
    except TimeoutError:
        raise NotTaken from None


async def read_body(protocol: HTTPProtocol, length: int) -> bytes:
    """Return the first ``length`` bytes of a body. Raises BrokenBody.

    More is thrown away, within TAKEN_IN: a client that still sends would not hear the answer.
    """
    body, taken = bytearray(), 0
    async for part in protocol:
        taken += len(part)
        body += part[: length - len(body)]
        if taken > TAKEN_IN:
            break
    if len(body) < length:
        raise BrokenBody
    return bytes(body)


def in_parts(response: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a response consists of in parts of PART bytes and more, the last one shorter."""
    held: list[bytes] = []
    size = 0
    for chunk in response:
        held.append(chunk)
        size += len(chunk)
        if size >= PART:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def refuse(protocol: HTTPProtocol, status: int, code: str, detail: str) -> None:
    """Answer in the application's stead, with an error as it words them."""
    protocol.response_str(status, JSON, json.dumps({"detail": detail, "code": code}))
