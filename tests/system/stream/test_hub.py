"""Streams within the server: slow readers, passes of several pages, a database in trouble."""

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.db import connection

from accounts.keys import issue_api_key
from accounts.models import User
from exchange_poc.stream import hub as hubs
from exchange_poc.stream import reading
from exchange_poc.stream import stream as streams
from exchange_poc.stream.hub import Hub
from exchange_poc.web.client import ClientLeft
from kpi.stream import journal
from kpi.stream.cursors import Cursor, read_cursor
from kpi.stream.holders import Holder
from kpi.stream.journal import Scope
from kpi.stream.subscriptions import Subscription
from tests.kpi.stream.test_journal import session
from tests.system.stream.client import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)

HALTS = """
INSERT INTO kpi_streamevent (channel, detail)
SELECT 'halts', jsonb_build_object('n', n) FROM generate_series(%s::int, %s::int) AS n
"""


class Wire:
    """A client that takes some pieces or all."""

    def __init__(self, takes: float = float("inf"), *, then_leaves: bool = False) -> None:
        self.takes, self.then_leaves = takes, then_leaves
        self.sent = b""

    async def begin(self, status: int, headers: object) -> asyncio.Future[None]:
        return asyncio.get_running_loop().create_future()

    def end(self) -> None:
        pass

    async def send(self, content: bytes, *, last: bool = False) -> None:
        if self.takes <= 0:
            if self.then_leaves:
                raise ClientLeft
            await asyncio.Event().wait()
        self.takes -= 1
        self.sent += content

    @property
    def numbers(self) -> list[int]:
        return [int(found) for found in re.findall(rb'"n":(\d+)', self.sent)]

    @property
    def cursor(self) -> Cursor:
        return read_cursor(re.findall(r"id: (\S+)\n", self.sent.decode())[-1])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running() -> AsyncIterator[Hub]:
    hub = Hub()
    hub.start()
    try:
        yield hub
    finally:
        for task in hub._tasks:
            task.cancel()
        threads_of = hub.reading
        for threads, count in ((threads_of._all, 1), (threads_of._one, reading.CATCHING_UP)):
            each = threading.Barrier(count)
            leave = [threads.submit(leave_database, each) for _ in range(count)]
            await asyncio.gather(*map(asyncio.wrap_future, leave))
        hub.close()


def leave_database(each: threading.Barrier) -> None:
    """Close the connection of this thread, and keep it from closing one in another's turn."""
    connection.close()
    each.wait(PATIENCE)


@pytest.fixture
def subscription(user: User) -> Iterator[Callable[..., Subscription]]:
    key, _ = issue_api_key(reason="A test", user=user)
    holder = Holder(key_id=key.pk, user_id=user.pk, is_staff=False)

    def subscribe(cursor: Cursor | None = None, *, seconds: float = 600) -> Subscription:
        return Subscription(holder, Scope(["halts"]), time.time() + seconds, cursor)

    yield subscribe
    connection.close()
    connection.close_pool()  # a server's threads had connections of it


def halts(first: int, last: int) -> None:
    with session() as one:
        one.execute(HALTS, [first, last])


def serve(hub: Hub, wire: Wire, subscription: Subscription) -> asyncio.Task[None]:
    return asyncio.ensure_future(hub.serve(subscription, [], wire))  # type: ignore[arg-type]


def test_who_reads_nothing_is_cut_off_and_nobody_else(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_WAITING", 500)

    async def scene() -> None:
        async with running() as hub:
            slow, quick = Wire(takes=2), Wire()
            ended = serve(hub, slow, subscription())
            lasting = serve(hub, quick, subscription())
            await until(lambda: b"id: " in quick.sent and b"id: " in slow.sent)
            for number in range(1, 13):
                halts(number, number)
                await until(lambda seen=number: quick.numbers[-1:] == [seen])  # type: ignore[misc]
            [stream] = [one for one in hub.opened if one.client is slow]  # type: ignore[comparison-overlap]
            assert stream.closing is streams.SLOW_READER
            assert quick.numbers == list(range(1, 13))
            lasting.cancel()
            ended.cancel()

    asyncio.run(scene())


def test_who_takes_nothing_for_too_long_is_cut_off(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(streams, "FAREWELL_SECONDS", 0.1)

    async def scene() -> None:
        async with running() as hub:
            slow, quick = Wire(takes=2), Wire()
            ended = serve(hub, slow, subscription())
            lasting = serve(hub, quick, subscription())
            await until(lambda: b"id: " in quick.sent and b"id: " in slow.sent)
            [stream] = [one for one in hub.opened if one.client is slow]  # type: ignore[comparison-overlap]
            halts(1, 1)
            async with asyncio.timeout(PATIENCE):
                await ended
            assert stream.closing is streams.SLOW_READER
            halts(2, 2)
            await until(lambda: quick.numbers == [1, 2])
            lasting.cancel()

    asyncio.run(scene())


def test_a_stream_ends_at_once_though_its_reader_takes_nothing(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", float("inf"))
    monkeypatch.setattr(streams, "FAREWELL_SECONDS", 0.1)
    start = journal.head()
    halts(1, 1)

    async def scene() -> None:
        async with running() as hub:
            for cursor in (start, None):  # in the middle of what it missed, and of its first id
                async with asyncio.timeout(PATIENCE):
                    await serve(hub, Wire(takes=1), subscription(cursor, seconds=0.5))
            assert not hub.opened

    asyncio.run(scene())


def test_a_quiet_stream_is_told_where_to_go_on(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ALIVE_SECONDS", 0.1)

    async def scene() -> None:
        async with running() as hub:
            wire = Wire()
            stream = serve(hub, wire, subscription())
            await until(lambda: wire.sent.count(b"\n: .\n\n") >= 2)
            assert re.search(rb"id: \S+\n: \.\n\n", wire.sent)
            stream.cancel()

    asyncio.run(scene())


def test_a_stream_ends_with_its_token(subscription: Callable[..., Subscription]) -> None:
    async def scene() -> bytes:
        async with running() as hub:
            wire = Wire()
            async with asyncio.timeout(PATIENCE):
                await serve(hub, wire, subscription(seconds=0.5))
            return wire.sent

    assert b'event: closed\ndata: {"code":"token_expired"' in asyncio.run(scene())


def test_who_leaves_in_the_middle_of_a_pass_gets_it_again(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAGE", 2)
    start = journal.head()

    async def scene() -> Any:
        async with running() as hub:
            halts(1, 5)
            first = Wire(takes=2, then_leaves=True)  # the greeting and a page
            await serve(hub, first, subscription(start))
            assert first.numbers == [1, 2]
            assert b"id: " not in first.sent  # so that its client still goes on from the start
            again = Wire()
            stream = serve(hub, again, subscription(start))
            await until(lambda: len(again.numbers) == 5)
            halts(6, 10)  # a pass of three pages for all
            await until(lambda: len(again.numbers) == 10)
            assert again.numbers == list(range(1, 11))
            last = again.sent.rindex(b"id: ")
            assert b'"n":9' not in again.sent[last:]
            stream.cancel()

    asyncio.run(scene())


def test_streams_outlast_a_database_that_hangs_or_drops_them(
    subscription: Callable[..., Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READ_SECONDS", 1)
    failed: list[str] = []
    monkeypatch.setattr(hubs.log, "warning", lambda _, error: failed.append(error))
    drop = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query ~ 'late AS MATERIALIZED' AND pid <> %s
    """

    async def scene() -> None:
        async with running() as hub:
            wire = Wire()
            stream = serve(hub, wire, subscription())
            await until(lambda: b"id: " in wire.sent)
            with session() as one:
                one.execute("LOCK TABLE kpi_streamevent IN ACCESS EXCLUSIVE MODE")
                await until(lambda: any("statement timeout" in error for error in failed))
                one.execute(HALTS, [1, 1])
            await until(lambda: wire.numbers == [1])
            with session() as one:
                one.execute(drop, [one.info.backend_pid])
                one.execute(HALTS, [2, 2])
            await until(lambda: wire.numbers == [1, 2])
            stream.cancel()

    asyncio.run(scene())
