"""One open stream: what waits to be sent, and who sends it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NamedTuple

from exchange_poc.web.client import Client, ClientLeft
from kpi.stream.frames import ALIVE, SLOW_READER, Closing, id_line
from kpi.stream.margins import Standing
from kpi.stream.subscriptions import Subscription

#: Of what a reader has not taken, so much is kept, and no more.
MOST_WAITING: Final = 2_097_152
ALIVE_SECONDS: Final = 10.0
#: In which a reader takes what it is sent.
SEND_SECONDS: Final = 15.0
#: For which a stream waits that its last word is taken. Until the kernel gives its client up, the
#: word is there for who reads on.
FAREWELL_SECONDS: Final = 1.0


class Chunk(NamedTuple):
    """Some events in one piece; ``written_at`` is when the first of them was written."""

    content: bytes
    events: int
    written_at: float


class Stream:
    """A client that is told what its subscription includes, until ``closing`` says why not."""

    def __init__(self, subscription: Subscription, client: Client) -> None:
        self.subscription = subscription
        self.scope = subscription.scope
        self.client = client
        self.closing: Closing | None = None
        self.has_left = False
        self.events = 0
        self.opened_at = time.time()
        self.standing: Standing | None = None
        self._waiting: deque[Chunk] = deque()
        self._size = self._counted = 0
        self._deadline: asyncio.Timeout | None = None
        self._joined = self._is_sending = False
        self._sent_at = time.monotonic()
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
        self._stop_sending()

    def leave(self) -> None:
        """Note that the client has gone."""
        self.has_left = True
        self._wake.set()
        self._stop_sending()

    def _stop_sending(self) -> None:
        if self._is_sending and self._deadline is not None:
            self._is_sending = False
            self._deadline.reschedule(0)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Serve the stream within the block, until whoever ends it.

        One deadline, which ``close`` moves, serves all that is sent: a timer for each piece costs
        more than sending it.
        """
        try:
            async with asyncio.timeout(None) as self._deadline:
                yield
        except TimeoutError:
            pass  # it is known why
        except ClientLeft:
            self.leave()
        finally:
            self._deadline = None

    async def send_all(self) -> None:
        """Send what comes until the stream is over."""
        self._joined = True
        while not self.is_over:
            if self._waiting:
                chunk = self._waiting.popleft()
                self._size -= len(chunk.content)
                await self.send(chunk)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def send(self, chunk: Chunk) -> None:
        """Send events at once. Raises ClientLeft."""
        await self.say(chunk.content)
        self.events += chunk.events

    async def say(self, content: bytes) -> None:
        """Send some text, and wait until it is taken. Raises ClientLeft."""
        self._is_sending, self._sent_at = True, time.monotonic()
        try:
            await self.client.send(content)
        finally:
            self._is_sending = False

    def look_after(self, cursor: object) -> None:
        """Cut off a reader that takes nothing; say in quiet times where to go on (``cursor``)."""
        if self._deadline is None or self.is_over:
            return
        silence = time.monotonic() - self._sent_at
        if self._is_sending:
            if silence > SEND_SECONDS:
                self.close(SLOW_READER)
        elif self._joined and silence > ALIVE_SECONDS and not self._waiting:
            self.put(Chunk(id_line(cursor) + ALIVE + b"\n", 0, time.time()))

    async def say_farewell(self) -> None:
        """Say why the stream ends, to who still listens."""
        if self.closing is not None and not self.has_left:
            with suppress(TimeoutError, ClientLeft):
                async with asyncio.timeout(FAREWELL_SECONDS):
                    await asyncio.shield(self.client.send(self.closing.frame, last=True))

    def uncounted(self) -> int:
        """Return how many events were sent since this was asked last."""
        self._counted, before = self.events, self._counted
        return self.events - before
