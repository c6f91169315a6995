"""Deletes what is too old, in portions: none holds its locks for long, the next one can wait."""

import time
from collections.abc import Mapping
from typing import Any, Final

from django.db import connection

#: Rows that one statement deletes.
PORTION: Final = 5_000

#: Of a table, rows whose moment is before another, the oldest first; nobody's lock is waited for.
OLDER: Final = """
DELETE FROM {table} WHERE {key} = ANY(ARRAY(
    SELECT {key} FROM {table} WHERE {moment} < %(before)s {condition}
    ORDER BY {moment} LIMIT %(most)s FOR UPDATE SKIP LOCKED
))
"""


class Deadline:
    """A moment after which nothing more is begun; None never comes."""

    def __init__(self, seconds: float | None) -> None:
        self.at = None if seconds is None else time.monotonic() + seconds

    @property
    def is_past(self) -> bool:
        return self.at is not None and time.monotonic() >= self.at


NEVER: Final = Deadline(None)


def delete_portions(
    statement: str, parameters: Mapping[str, Any], *, deadline: Deadline = NEVER
) -> int:
    """Run a statement that deletes ``%(most)s`` rows until it finds fewer; return how many went.

    Each time is a transaction of its own, unless the caller is in one. At the deadline the rest is
    left for the next time.
    """
    total = 0
    while not deadline.is_past:
        with connection.cursor() as cursor:
            cursor.execute(statement, {**parameters, "most": PORTION})
            total += cursor.rowcount
            if cursor.rowcount < PORTION:
                break
    return total


def delete_older(
    *,
    table: str,
    key: str = "id",
    moment: str,
    before: Any,
    condition: str = "",
    deadline: Deadline = NEVER,
) -> int:
    """Delete a table's rows of before a moment. The names are the caller's own, nobody's input."""
    statement = OLDER.format(table=table, key=key, moment=moment, condition=condition)
    return delete_portions(statement, {"before": before}, deadline=deadline)
