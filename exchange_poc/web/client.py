"""A client as the server's library gives it (ASGI): its body arrives, and it takes an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[str, str]]


class ClientLeft(Exception):
    """The client is gone, and takes no more."""


class Client:
    """Who sent a request, and what the server offers for answering it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._watch: asyncio.Future[None] | None = None
        self.is_answered = False
        self.delivery: Future[None] | None = None  # of a long answer, which the loop sends

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; it breaks off where the client leaves."""
        more = True
        while more:
            message = await self._receive()
            more = message.get("more_body", False)
            yield message.get("body", b"")

    def answer(self, status: int, headers: Headers, content: bytes) -> None:
        """Send a whole answer, from any thread.

        Granian takes it as it is called, and returns what need not be waited for: an answer needs
        no turn of the loop.
        """
        self.start(status, headers)
        self._send({"type": "http.response.body", "body": content, "more_body": False})

    async def begin(self, status: int, headers: Headers) -> asyncio.Future[None]:
        """Begin an answer of parts; return what is done once the client leaves."""
        self.start(status, headers)
        return self.watch()

    def start(self, status: int, headers: Headers) -> None:
        """Begin an answer, from any thread. Raises what a header gives that cannot be sent."""
        named = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._send({"type": "http.response.start", "status": status, "headers": named})
        self.is_answered = True

    def watch(self) -> asyncio.Future[None]:
        """Watch in the loop for the client to leave; return what is done then."""
        self._watch = asyncio.ensure_future(self._until_left())
        return self._watch

    async def send(self, part: bytes, *, last: bool = False) -> None:
        """Send a part, and wait while the client takes none. Raises ClientLeft.

        Without a last one, which may be empty, the client is told that the answer broke off.
        """
        if self._watch is not None and self._watch.done():
            raise ClientLeft
        await self._send({"type": "http.response.body", "body": part, "more_body": not last})

    def end(self) -> None:
        """Stop to watch whether the client leaves."""
        if self._watch is not None:
            self._watch.cancel()

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
