"""A long answer: a thread makes it at its own pace, the loop sends it at the client's.

What is made and not yet taken waits in a temporary file, as long as the answer at most. So no
thread, no connection and no snapshot of the database waits for a client, and what a client
leaves in memory is bounded by what the server library takes ahead, not by its answer.
"""

from __future__ import annotations

import asyncio
import os
from tempfile import TemporaryFile
from typing import Final, Self

import structlog

from exchange_poc.web.client import Client, ClientLeft, Headers

log = structlog.get_logger(__name__)

#: Bytes that are sent at once; a client that does not take as many in PIECE_SECONDS is cut off.
PIECE: Final = 65_536
PIECE_SECONDS: Final = 20


class LongAnswer:
    """Of one request. What a thread writes until it leaves the context is the whole of it."""

    def __init__(self, client: Client, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._path = path
        self._loop = loop
        self._file = TemporaryFile()  # noqa: SIM115
        self._made = 0
        self._more = asyncio.Event()
        self._is_over = self._is_whole = self._is_broken_off = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._is_whole = error is None
        self._is_over = True
        if self._client.delivery is None:
            self._file.close()
        else:
            self._loop.call_soon_threadsafe(self._more.set)

    def begin(self, status: int, headers: Headers) -> None:
        """Begin to answer. Raises what a header gives that cannot be sent."""
        self._client.start(status, headers)
        self._client.delivery = asyncio.run_coroutine_threadsafe(self._deliver(), self._loop)

    def write(self, part: bytes) -> None:
        """Add a part. Raises ClientLeft where nobody takes more, and OSError on a full disk."""
        if self._is_broken_off:
            raise ClientLeft
        self._file.write(part)
        self._file.flush()
        self._made += len(part)
        self._loop.call_soon_threadsafe(self._more.set)

    async def _deliver(self) -> None:
        """Send what is made until that is all, or until the client is gone or takes nothing.

        An answer that is not whole gets no end: the client is told that it broke off.
        """
        self._client.watch()
        sent = 0
        try:
            while await self._reaches(sent):
                piece = await asyncio.to_thread(os.pread, self._file.fileno(), PIECE, sent)
                await self._send(piece)
                sent += len(piece)
            if self._is_whole:
                await self._send(b"", last=True)
        except (ClientLeft, TimeoutError) as error:
            reason = "client_left" if isinstance(error, ClientLeft) else "nothing_taken"
            log.warning("answer_broken_off", path=self._path, bytes_sent=sent, reason=reason)
        finally:
            self._is_broken_off = True
            self._client.end()
            while not self._is_over:
                await self._next()
            self._file.close()

    async def _send(self, piece: bytes, *, last: bool = False) -> None:
        async with asyncio.timeout(PIECE_SECONDS):
            await self._client.send(piece, last=last)

    async def _reaches(self, sent: int) -> bool:
        """Wait until there is more than what was sent; tell whether there is."""
        while self._made <= sent and not self._is_over:
            await self._next()
        return self._made > sent

    async def _next(self) -> None:
        self._more.clear()
        if not self._is_over:
            await self._more.wait()
