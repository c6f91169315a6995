"""Reads the journal in passes: what is committed now and was not in the snapshot of a cursor.

An account's writers wait for its row, so that of two of its transactions the one that drew higher
numbers committed later, and no snapshot sees it without the other: passes, each sorted by number,
give an account's events in the order of commits. A transaction that commits late with lower
numbers is merely in a later pass. One that runs for long holds nothing up.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import connection

from kpi.errors import InvalidLastEventId
from kpi.stream.cursors import Cursor

#: Events of one read.
PAGE: Final = 500
#: By how much a cursor may be ahead of a database that crashed since and lost what nobody wrote.
LOST_BY_A_CRASH: Final = 1_000_000

#: Channels with events that are no account's.
FOR_EVERYBODY: Final = {"marks", "halts"}

#: Events that one statement forgets, and statements of one run, which comes again soon.
PORTION: Final = 5_000
MOST_PORTIONS: Final = 40

# Numbers behind the last one seen are all new, and a range of the primary key. Those before it are
# few, of transactions that had not ended, and found by those; as the materialized part PostgreSQL
# looks for them there, in place of walking all numbers in hope of enough.
# What one account sees is its own and what is for everybody, each found by an index of its own.
# Literals are planned with each time: of a parameter PostgreSQL might think that a third of all
# rows are newer.
COLUMNS: Final = """
    SELECT id, channel, account_id, object_id, detail, extract(epoch FROM created_at)::float8
    FROM kpi_streamevent
"""
LATE: Final = (
    COLUMNS
    + """
    WHERE (xid >= '{next}'::xid8 OR xid = ANY('{{{running}}}'::xid8[]))
      AND id > {after} AND id <= {last_id} AND pg_visible_in_snapshot(xid, {until}) AND ({scope})
"""
)
NEWER: Final = (
    COLUMNS
    + """
    WHERE id > greatest({after}, {last_id}) AND pg_visible_in_snapshot(xid, {until}) AND {part}
    ORDER BY id LIMIT {page}
"""
)
EVENTS: Final = (
    f"WITH late AS MATERIALIZED ({LATE}), newer AS ({{newer}})"  # noqa: S608
    """
SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text,
       (SELECT xid FROM kpi_streamhorizon WHERE id = 1)::text,
       pg_current_snapshot()::text, event.*
FROM (SELECT 1) AS always LEFT JOIN LATERAL (
    SELECT * FROM late UNION ALL SELECT * FROM newer ORDER BY id LIMIT {page}
) AS event ON true
"""
)
HEAD: Final = """
SELECT (SELECT oid FROM pg_database WHERE datname = current_database()),
       (SELECT coalesce(max(id), 0) FROM kpi_streamevent), pg_current_snapshot()::text
"""
FORGET: Final = """
WITH forgotten AS (
    DELETE FROM kpi_streamevent WHERE id = ANY(ARRAY(
        SELECT id FROM (
            SELECT id, created_at FROM kpi_streamevent ORDER BY id LIMIT %(most)s
        ) AS oldest
        WHERE created_at < now() - make_interval(secs => %(seconds)s)
    ))
    RETURNING xid
), noted AS (
    UPDATE kpi_streamhorizon SET xid = greatest(xid, (SELECT max(xid) FROM forgotten))
    WHERE id = 1 AND EXISTS (SELECT FROM forgotten)
)
SELECT count(*) FROM forgotten
"""


class Event(NamedTuple):
    """A row of the journal; ``detail`` is what its object's row cannot tell."""

    event_id: int
    channel: str
    account_id: int | None
    object_id: int | None
    detail: Any
    created_at: float


def among(channels: Collection[str]) -> str:
    return "channel IN ({})".format(", ".join(f"'{name}'" for name in sorted(channels)))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events a reader may see: of channels, of one account or (``everybody``) of all."""

    channels: Collection[str]
    account_id: int | None = None
    everybody: bool = False

    @property
    def parts(self) -> Sequence[str]:
        """This in SQL, any of these; channels come from a fixed list, the account is a number."""
        if self.everybody:
            return [among(self.channels)]
        parts = []
        if shared := FOR_EVERYBODY.intersection(self.channels):
            parts.append(f"account_id IS NULL AND {among(shared)}")
        if self.account_id is not None:
            parts.append(f"account_id = {int(self.account_id)} AND {among(self.channels)}")
        return parts or ["false"]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a pass. ``cursor`` is where the pass ends, behind its last page.

    ``is_forgotten`` says that events behind the reader's cursor are not kept any more.
    """

    cursor: Cursor
    is_last: bool
    is_forgotten: bool
    events: list[Event] = field(default_factory=list)


def head() -> Cursor:
    """Return the cursor of now, behind which are only events to come."""
    with connection.cursor() as cursor:
        cursor.execute(HEAD)
        return Cursor(*cursor.fetchone())


def read_page(
    since: Cursor,
    until: Cursor | None = None,
    after: int = 0,
    scope: Scope | None = None,
    *,
    limit: str = "",
) -> Page:
    """Return events behind a cursor, up to another or to now, those of a scope or all.

    Of a pass in several pages each gives the cursor that the next is read ``until``, and its last
    number, ``after`` which that begins. ``limit`` is a statement to go before in one message, which
    is one transaction: four round trips less than one of its own.
    """
    statement = statement_for(since, until, after, scope)
    with connection.cursor() as cursor:
        cursor.execute(f"{limit}; {statement}" if limit else statement)
        if limit:
            cursor.nextset()
        rows = cursor.fetchall()
    database, horizon, snapshot = rows[0][:3]
    events = [event_of(row[3:]) for row in rows if row[3] is not None]
    now = Cursor(int(database), since.last_id, snapshot)
    cursor_then = until or now
    last_id = max(cursor_then.last_id, events[-1].event_id if events else 0)
    return Page(
        cursor=replace(cursor_then, last_id=last_id),
        is_last=len(events) < PAGE,
        is_forgotten=now.database != since.database or is_past(since, int(horizon), now),
        events=events,
    )


def statement_for(since: Cursor, until: Cursor | None, after: int, scope: Scope | None) -> str:
    """Return what reads a page."""
    parts = scope.parts if scope else ["true"]
    facts: dict[str, Any] = {
        "last_id": since.last_id,
        "until": f"'{until.snapshot}'::pg_snapshot" if until else "pg_current_snapshot()",
        "after": after,
        "page": PAGE,
    }
    return EVENTS.format(
        next=since.next,
        running=",".join(map(str, since.running)),
        scope=" OR ".join(f"({part})" for part in parts),
        newer=" UNION ALL ".join(f"({NEWER.format(part=part, **facts)})" for part in parts),
        **facts,
    )


def is_past(since: Cursor, horizon: int, now: Cursor) -> bool:
    """Tell whether events behind a cursor may be among the forgotten, the newest of ``horizon``.

    Of a transaction that still runs none is: however long it runs, others' events are told.
    """
    return horizon >= since.next or any(
        xid <= horizon and now.has_seen(xid) for xid in since.running
    )


def event_of(row: Any) -> Event:
    event = Event._make(row)
    return event if event.detail is None else event._replace(detail=json.loads(event.detail))


def check_cursor(cursor: Cursor) -> None:
    """Refuse a cursor of a time to come. Raises InvalidLastEventId."""
    if cursor.next > head().next + LOST_BY_A_CRASH:
        raise InvalidLastEventId


def forget_old_events() -> int:
    """Delete events older than STREAM_RETENTION_SECONDS, in portions; return how many."""
    total = 0
    for _ in range(MOST_PORTIONS):
        with connection.cursor() as cursor:
            seconds = settings.STREAM_RETENTION_SECONDS
            cursor.execute(FORGET, {"seconds": seconds, "most": PORTION})
            [forgotten] = cursor.fetchone()
        total += forgotten
        if forgotten < PORTION:
            break
    return total
