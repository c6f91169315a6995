"""Deadlines for waiting on rows that another session has locked."""

from django.db import OperationalError, connection
from psycopg.errors import LockNotAvailable


def limit_lock_waits(*, seconds: float) -> None:
    """Let every statement of the caller's transaction fail that waits longer for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true)", [f"{round(seconds * 1000)}ms"]
        )


def is_lock_timeout(error: BaseException | None) -> bool:
    """Tell whether a statement waited for a lock in vain."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, LockNotAvailable)
