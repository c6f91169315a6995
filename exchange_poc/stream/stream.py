"""One open stream: what waits to be sent, and who sends it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from exchange_poc.web.gateway import CLIENT_LEFT
from kpi.stream.frames import ALIVE, SLOW_READER, Closing, id_line
from kpi.stream.margins import Standing
from kpi.stream.subscriptions import Subscription

if TYPE_CHECKING:
    from granian._granian import RSGIHTTPStreamTransport as HTTPStreamTransport

#: Of what a reader has not taken, so much is kept, and no more.
MOST_WAITING: Final = 2_097_152
ALIVE_SECONDS: Final = 10.0
#: In which a reader takes what it is sent, and its last word.
SEND_SECONDS: Final = 15.0
FAREWELL_SECONDS: Final = 1.0


class Chunk(NamedTuple):
    """Some events in one piece; ``written_at`` is when the first of them was written."""

    content: bytes
    events: int
    written_at: float


class Stream:
    """A client that is told what its subscription includes, until ``closing`` says why not."""

    def __init__(self, subscription: Subscription, transport: HTTPStreamTransport) -> None:
        self.subscription = subscription
        self.scope = subscription.scope
        self.transport = transport
        self.closing: Closing | None = None
        self.has_left = False
        self.events = 0
        self.opened_at = time.time()
        self.standing: Standing | None = None
        self._waiting: deque[Chunk] = deque()
        self._size = self._counted = 0
        self._deadline: asyncio.Timeout | None = None
        self._is_sending, self._sent_at = False, time.monotonic()
        self._wake = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self.has_left or self.closing is not None

    def put(self, chunk: Chunk) -> None:
        """Let a chunk wait for its turn; a reader that is too far behind is cut off."""
        if self.is_over:
            return
        self._size += len(chunk.content)
        if self._size > MOST_WAITING:
            self.close(SLOW_READER)
            return
        self._waiting.append(chunk)
        self._wake.set()

    def close(self, closing: Closing) -> None:
        """End the stream with a reason; what waited is not sent any more."""
        self.closing = self.closing or closing
        self._waiting.clear()
        self._wake.set()

    def leave(self) -> None:
        """Note that the client has gone."""
        self.has_left = True
        self._wake.set()

    async def send_all(self) -> None:
        """Send what comes until the stream is over.

        One deadline, which ``look_after`` sets, serves all that is sent: a timer for each piece
        costs more than sending it.
        """
        try:
            async with asyncio.timeout(None) as self._deadline:
                while not self.is_over:
                    if self._waiting:
                        await self._send(self._waiting.popleft())
                    else:
                        self._wake.clear()
                        await self._wake.wait()
        except TimeoutError:
            self.close(SLOW_READER)
        except CLIENT_LEFT:
            self.leave()
        finally:
            self._deadline = None

    async def _send(self, chunk: Chunk) -> None:
        self._size -= len(chunk.content)
        self._is_sending, self._sent_at = True, time.monotonic()
        await self.transport.send_bytes(chunk.content)
        self._is_sending = False
        self.events += chunk.events

    def look_after(self, cursor: object) -> None:
        """Cut off a reader that takes nothing; say in quiet times where to go on (``cursor``)."""
        if self._deadline is None or self.is_over:
            return
        silence = time.monotonic() - self._sent_at
        if self._is_sending:
            if silence > SEND_SECONDS:
                self.close(SLOW_READER)
                self._deadline.reschedule(0)
        elif silence > ALIVE_SECONDS and not self._waiting:
            self.put(Chunk(id_line(cursor) + ALIVE + b"\n", 0, time.time()))

    def uncounted(self) -> int:
        """Return how many events were sent since this was asked last."""
        self._counted, before = self.events, self._counted
        return self.events - before

    async def send(self, chunk: Chunk) -> None:
        """Send events at once; a reader that does not take them in time is cut off."""
        await self.say(chunk.content)
        self.events += chunk.events

    async def say(self, content: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.transport.send_bytes(content)
        except TimeoutError:
            self.close(SLOW_READER)
        except CLIENT_LEFT:
            self.leave()

    async def say_farewell(self) -> None:
        """Say why the stream ends, to who still listens."""
        if self.closing is not None and not self.has_left:
            with suppress(TimeoutError, *CLIENT_LEFT):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await self.transport.send_bytes(self.closing.frame)
