"""Deadlines for waiting on rows that another session has locked."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable

from market.kernel.errors import DatabaseBusy


def limit_lock_waits(*, seconds: float) -> None:
    """Let every statement of the caller's transaction fail that waits longer for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true)", [f"{round(seconds * 1000)}ms"]
        )


def is_lock_timeout(error: BaseException | None) -> bool:
    """Tell whether a statement waited for a lock in vain."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, LockNotAvailable)


@contextmanager
def telling_busy() -> Iterator[None]:
    """Raise DatabaseBusy where a statement of the block, or of what it decorates, so waited."""
    try:
        yield
    except OperationalError as error:
        if is_lock_timeout(error):
            raise DatabaseBusy from error
        raise
