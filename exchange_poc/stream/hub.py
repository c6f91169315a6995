"""Reads the journal for all streams at once, and tells each what is for it.

Every few hundredths of a second one statement asks what was committed since the last time. Nobody
is waited for: chunks wait with their stream. A stream that goes on from a cursor first catches up,
until it has come near enough to join the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from exchange_poc.stream.audience import Audience, Places
from exchange_poc.stream.catching_up import AGAIN_SECONDS, catch_up, hold_out
from exchange_poc.stream.pieces import pieces_for
from exchange_poc.stream.reading import Reading
from exchange_poc.stream.standings import Standings
from exchange_poc.stream.stream import Chunk, Stream
from kpi.stream import metrics
from kpi.stream.cursors import Cursor
from kpi.stream.frames import (
    FORGOTTEN,
    KPI,
    OPENING,
    SERVER_STOPPING,
    TOKEN_EXPIRED,
    frame,
    id_line,
)
from kpi.stream.holders import farewells
from kpi.stream.journal import head
from kpi.stream.kpis import kpis_for
from kpi.stream.rendering import render

if TYPE_CHECKING:
    from exchange_poc.web.client import Client, Headers
    from kpi.stream.subscriptions import Subscription

log = structlog.get_logger(__name__)

#: Between two passes, and after one that told something: where events come all the time, those of
#: twice the time share what a pass costs.
PAUSE_SECONDS: Final = 0.05
BUSY_PAUSE_SECONDS: Final = 0.1
GUARD_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.5
KPI_SECONDS: Final = 5.0
STOP_SECONDS: Final = 3.0


class Hub:
    """All open streams of the process, and where the reading for them has come."""

    def __init__(self) -> None:
        self.places = Places()
        self.reading = Reading()
        self.audience = Audience()
        self.standings = Standings(self.audience, self.reading)
        self.opened: set[Stream] = set()
        self.head: Cursor | None = None
        self.is_stopping = False
        self._turn = asyncio.Lock()
        self._somebody = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.ensure_future(self.repeat(self.tell_all, PAUSE_SECONDS)),
            asyncio.ensure_future(self.repeat(self.guard_all, GUARD_SECONDS)),
            asyncio.ensure_future(self.repeat(self.look_after_all, LOOK_SECONDS)),
            asyncio.ensure_future(self.repeat(self.tell_kpis, KPI_SECONDS)),
        ]

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.reading.close()

    async def say_farewell(self) -> None:
        """Close all streams, and wait for them a little."""
        self.is_stopping = True
        for stream in tuple(self.opened):
            stream.close(SERVER_STOPPING)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while self.opened:
                    await asyncio.sleep(0.02)

    async def repeat(self, work: Callable[[], Any], pause: float) -> None:
        """Do some work again and again while somebody listens, also after it failed.

        The work may say that it pauses for another time than else.
        """
        failed = False
        while True:
            await self._somebody.wait()
            other = None
            try:
                other = await work()
                failed = False
            except Exception as error:
                if not failed:
                    log.warning("stream_reading_failed", error=repr(error)[:500])
                failed = True
            await asyncio.sleep(AGAIN_SECONDS if failed else other or pause)

    # What all are told.

    async def tell_all(self) -> float | None:
        """Tell what was committed since the last time, and whose margin ratio passed a level."""
        marks_moved, after, until, is_last = False, 0, None, False
        async with self._turn:  # nobody joins in the middle of a pass
            since = await self.current_head()
            while not is_last:
                page = await self.reading.pass_for_all(since, until, after)
                if page.is_forgotten:
                    await self.begin_anew()
                    return None
                until, is_last = page.cursor, page.is_last
                heard = [event for event in page.events if self.audience.hears(event)]
                contents = await self.reading.for_all(render, heard) if heard else []
                cursor = until if is_last else None
                pieces = [*pieces_for(self.audience, heard, contents, cursor)]
                for chunk, streams in pieces:
                    for stream in streams:
                        stream.put(chunk)
                after = page.events[-1].event_id if page.events else after
                marks_moved = marks_moved or any(e.channel == "marks" for e in page.events)
                await asyncio.sleep(0)  # let the streams send
                for chunk, _ in pieces:
                    metrics.lag_seconds.observe(max(now() - chunk.written_at, 0.0))
            self.head = until if self.opened else None
        await self.standings.tell(marks_moved=marks_moved)
        return BUSY_PAUSE_SECONDS if after else None

    async def current_head(self) -> Cursor:
        if self.head is None:
            self.head = await self.reading.for_all(head)
        return self.head

    async def begin_anew(self) -> None:
        """Go on from now, where what is behind the head is not kept: tell all."""
        self.head = await self.reading.for_all(head)
        content = id_line(self.head) + frame("forgotten", FORGOTTEN)
        for stream in self.audience:
            stream.put(Chunk(content, 1, stream.opened_at))

    async def tell_kpis(self) -> float | None:
        """Tell the KPIs to those who listen to them, each what they may view.

        While nobody does, it is looked again soon: who comes first hears them without a long wait.
        """
        concerned = [stream for stream in self.audience if KPI in stream.scope.channels]
        if not concerned:
            return LOOK_SECONDS
        holders = {stream.subscription.holder.user_id for stream in concerned}
        contents = await self.reading.for_one(kpis_for, holders)
        for stream in concerned:
            content = contents.get(stream.subscription.holder.user_id)
            if content is not None:  # of who is gone meanwhile there is none
                stream.put(Chunk(content, 1, now()))
        return None

    async def look_after_all(self) -> None:
        """Keep quiet streams open, cut off who takes nothing, and count what was sent."""
        for stream in self.opened:
            stream.look_after(self.head)
        metrics.events_sent_total.inc(sum(stream.uncounted() for stream in self.opened))

    async def guard_all(self) -> None:
        """Close the streams whose holders may listen no longer."""
        for stream in self.opened:
            if stream.subscription.expires_at <= now():
                stream.close(TOKEN_EXPIRED)
        holders = {stream.subscription.holder for stream in self.opened}
        ends = await self.reading.for_all(farewells, holders)
        for stream in self.opened:
            if closing := ends.get(stream.subscription.holder):
                stream.close(closing)

    # What one is told.

    async def serve(self, subscription: Subscription, headers: Headers, client: Client) -> None:
        """Send a stream until it is over, whoever ends it."""
        stream = Stream(subscription, client)
        (await client.begin(200, headers)).add_done_callback(lambda _: stream.leave())
        self.opened.add(stream)
        self._somebody.set()
        metrics.open_streams.inc()
        if self.is_stopping:
            stream.close(SERVER_STOPPING)
        try:
            async with stream.served():
                await self.bring_up(stream)
                await stream.send_all()
            await stream.say_farewell()
        finally:
            client.end()
            self.forget(stream)

    def forget(self, stream: Stream) -> None:
        self.opened.discard(stream)
        self.audience.remove(stream)
        self.standings.untold.discard(stream)
        if not self.opened:
            self._somebody.clear()
            self.head = None
        reason = stream.closing.code if stream.closing else metrics.CLIENT_LEFT
        metrics.open_streams.dec()
        metrics.events_sent_total.inc(stream.uncounted())
        metrics.closed_total.labels(reason=reason).inc()
        log.info(
            "stream_closed",
            reason=reason,
            user_id=stream.subscription.holder.user_id,
            key_id=stream.subscription.holder.key_id,
            seconds=round(now() - stream.opened_at, 3),
            events=stream.events,
        )

    async def bring_up(self, stream: Stream) -> None:
        """Tell a stream what is behind its cursor, and let it join the others without a gap."""
        since, joins = stream.subscription.cursor, stream.subscription.cursor is None
        await stream.say(OPENING + b"\n")
        while not stream.is_over:
            try:
                async with self._turn:
                    target = await self.current_head()
                    if joins:
                        self.audience.add(stream)
                        self.standings.untold.add(stream)
            except Exception as error:
                await hold_out(stream, error)
                continue
            if since is None:
                await stream.say(id_line(target) + b"\n")
                return
            pages = await catch_up(stream, self.reading, since, target)
            if joins:
                return
            since, joins = target, pages <= 1


def now() -> float:
    return time.time()
