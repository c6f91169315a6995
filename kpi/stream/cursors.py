"""Where a stream goes on: behind which snapshot of the database all events have been sent.

A number alone could not say that: numbers are drawn before commits, in another order. The snapshot
says of every transaction whether its events were seen. The last number seen beside it catches the
transactions that a crashed database gives their numbers anew, and the database's own number tells
another one, such as a restored copy, whose events are others.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from kpi.errors import InvalidLastEventId

#: A transaction per connection can run, so that a snapshot stays shorter than a few kilobytes.
LONGEST: Final = 4_096
PATTERN: Final = re.compile(
    r"(?P<database>[0-9]{1,10})\.(?P<last_id>[0-9]{1,18})\."
    r"(?P<snapshot>[0-9]{1,18}:[0-9]{1,18}:(?:[0-9]{1,18}(?:,[0-9]{1,18})*)?)"
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """``snapshot`` as PostgreSQL writes one: oldest running, next, running in between."""

    database: int
    last_id: int
    snapshot: str

    def __str__(self) -> str:
        return f"{self.database}.{self.last_id}.{self.snapshot}"

    @property
    def next(self) -> int:
        """The transaction that had not begun."""
        return int(self.snapshot.split(":")[1])

    @property
    def running(self) -> tuple[int, ...]:
        """The transactions before that which had not ended."""
        listed = self.snapshot.split(":")[2]
        return tuple(map(int, listed.split(","))) if listed else ()

    def has_seen(self, xid: int) -> bool:
        """Tell whether a transaction had ended."""
        return xid < self.next and xid not in self.running


def read_cursor(text: str) -> Cursor:
    """Return the cursor that a ``Last-Event-ID`` holds. Raises InvalidLastEventId."""
    found = PATTERN.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise InvalidLastEventId
    oldest, following, running = found["snapshot"].split(":")
    listed = [*map(int, running.split(","))] if running else []
    rises = all(one <= other for one, other in pairwise([int(oldest), *listed, int(following)]))
    if not rises or int(oldest) == 0 or int(following) in listed:
        raise InvalidLastEventId
    return Cursor(int(found["database"]), int(found["last_id"]), found["snapshot"])
