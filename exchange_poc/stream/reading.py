"""Reads the database for streams, in threads of their own, each statement within a limit."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from django.db import connection, transaction

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

    async def for_all(self, work: Callable[..., T], *args: Any) -> T:
        return await self.read(self._all, work, *args)

    async def for_one(self, work: Callable[..., T], *args: Any) -> T:
        return await self.read(self._one, work, *args)

    async def read(self, threads: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, in_database, work, *args)

    def close(self) -> None:
        for threads in (self._all, self._one):
            threads.shutdown(cancel_futures=True)


def in_database(work: Callable[..., T], *args: Any) -> T:
    """Run what reads the database, each statement within READ_SECONDS.

    A thread whose connection failed opens another next time. The limit ends with the transaction:
    a connection is another's afterwards.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{READ_SECONDS}s'")
            return work(*args)
    except Exception:
        connection.close()
        raise
