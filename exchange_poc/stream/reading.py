"""Reads the database for streams, in threads of their own, each statement within a limit."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from django.db import connection, transaction

from kpi.stream.cursors import Cursor
from kpi.stream.journal import Page, read_page

T = TypeVar("T")

#: In which the database answers a statement; what is then read, a later pass reads again.
READ_SECONDS: Final = 10
#: Threads that read for streams which catch up.
CATCHING_UP: Final = 2


class Reading:
    """A thread that reads for all streams at once, and some that read for one of them."""

    def __init__(self) -> None:
        self._all = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._one = ThreadPoolExecutor(CATCHING_UP, thread_name_prefix="catching-up")

    async def pass_for_all(self, since: Cursor, until: Cursor | None, after: int) -> Page:
        """Read a page of a pass, which is most of what there is to read, in one round trip."""
        return await self.read(self._all, page_within, since, until, after)

    async def for_all(self, work: Callable[..., T], *args: Any) -> T:
        return await self.read(self._all, in_database, work, *args)

    async def for_one(self, work: Callable[..., T], *args: Any) -> T:
        return await self.read(self._one, in_database, work, *args)

    async def read(self, threads: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lost_if_failed, work, *args)

    def close(self) -> None:
        for threads in (self._all, self._one):
            threads.shutdown(cancel_futures=True)


def lost_if_failed(work: Callable[..., T], *args: Any) -> T:
    """Run what reads the database; a thread whose connection failed opens another next time."""
    try:
        return work(*args)
    except Exception:
        connection.close()
        raise


def limit() -> str:
    """Return what limits statements until the transaction ends: a connection is then another's."""
    return f"SET LOCAL statement_timeout = '{READ_SECONDS}s'"


def in_database(work: Callable[..., T], *args: Any) -> T:
    """Run what reads the database, each statement within READ_SECONDS."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(limit())
        return work(*args)


def page_within(since: Cursor, until: Cursor | None, after: int) -> Page:
    """Return a page of a pass, within READ_SECONDS."""
    return read_page(since, until, after, limit=limit())
