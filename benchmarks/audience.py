"""``python -m benchmarks.audience PORT``: many open streams in one process that does little else.

It prints ``ready``, reads tokens from stdin, a line for each stream, until an empty line, and
prints ``open`` once all streams are. Then it notes when each event arrives, until stdin ends, and
prints them as JSON: ``[[event_id, seconds of the epoch], …]``.
"""

import asyncio
import json
import re
import sys
import time
from typing import Final

from benchmarks.load import WrongAnswer, http_request

NUMBER: Final = re.compile(rb'"event_id":(\d+)')
#: The first that comes once a stream is to hear of everything.
OPEN: Final = b"\nid: "
#: At once; the server grants streams in a few threads.
OPENING: Final = 8


class Listener(asyncio.Protocol):
    """One stream."""

    def __init__(self, token: str, arrivals: list[tuple[int, float]]) -> None:
        self.request = http_request("GET", "/stream", token=token)
        self.arrivals = arrivals
        self.opened = asyncio.get_running_loop().create_future()
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        at = time.time()
        data = self.rest + data
        if not self.opened.done():
            self.note_whether_open(data)
        whole, end, self.rest = data.rpartition(b"\n\n")
        if end:
            self.arrivals.extend((int(number), at) for number in NUMBER.findall(whole))

    def note_whether_open(self, data: bytes) -> None:
        if OPEN in data:
            self.opened.set_result(None)
        elif not data.startswith(b"HTTP/1.1 200") and data.startswith(b"HTTP/1.1"):
            self.opened.set_exception(WrongAnswer(data.decode(errors="replace")))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.rest.decode(errors="replace")))


async def listen(port: int) -> list[tuple[int, float]]:
    """Open a stream per token and return what arrives until stdin ends."""
    print("ready", flush=True)
    arrivals: list[tuple[int, float]] = []
    loop, turns = asyncio.get_running_loop(), asyncio.Semaphore(OPENING)

    async def open_one(token: str) -> None:
        async with turns:
            _, listener = await loop.create_connection(
                lambda: Listener(token, arrivals), "127.0.0.1", port
            )
            await asyncio.wait_for(listener.opened, 60)

    await asyncio.gather(*map(open_one, iter(sys.stdin.readline, "\n")))
    print("open", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    return arrivals


if __name__ == "__main__":
    json.dump(asyncio.run(listen(int(sys.argv[1]))), sys.stdout)
