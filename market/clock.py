"""The market's clock: counts steps and lets one run at a time, by a lease that expires.

A step of all instruments is due some time after the last such step began, a step of one instrument
some time after that instrument was marked and the last step of it alone began, whether or not that
one marked it. The latter leaves the time of the former alone, so that nobody who steps one
instrument holds the others back.

The lease also ends with the database connection that took it, so that after the death of a worker
or a crash of PostgreSQL the next step is free to begin. Behind a pooler such as PgBouncer, which
gives each transaction any of its connections, theirs say nothing about the holder: a server process
other than the one that the client was told of names no holder, and the lease alone ends a step.

Taking and giving back are transactions of their own, so that other processes see the lease while
the step runs; inside another transaction they raise RuntimeError.
"""

import time
from typing import Any, Final

from django.db import OperationalError, connection, transaction

#: Seconds between two looks at a clock that another step holds.
POLL: Final = 0.02

# An expression over the row itself, so that an UPDATE that waited for the row looks at it anew.
BUSY = """
coalesce(busy_until >= clock_timestamp(), false) AND (
    holder_pid IS NULL OR EXISTS (
        SELECT FROM pg_stat_activity
        WHERE pid = holder_pid AND (backend_start = holder_connected_at OR backend_start IS NULL)
    )
)
"""

DUE = """
coalesce(
    CASE WHEN %(instrument)s::bigint IS NULL THEN stepped_at
         ELSE (SELECT greatest(marked_at, market_instrument.stepped_at)
               FROM market_instrument WHERE id = %(instrument)s) END
        <= clock_timestamp() - make_interval(secs => %(min_interval)s),
    true
)
"""

# Nobody waits for an instrument that another session has locked while the clock's row is locked.
BEGIN_IF_FREE = """
WITH begun AS (
UPDATE market_marketclock
SET steps = steps + 1,
    stepped_at = CASE WHEN %(instrument)s::bigint IS NULL THEN clock_timestamp()
                      ELSE stepped_at END,
    busy_until = clock_timestamp() + make_interval(secs => %(lease)s),
    holder_pid = CASE WHEN pg_backend_pid() = %(pid)s THEN pg_backend_pid() END,
    holder_connected_at = (
        SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
    )
WHERE id = 1
    AND NOT ({busy})
    AND {due}
RETURNING steps
), noted AS (
UPDATE market_instrument SET stepped_at = clock_timestamp()
WHERE id = (
    SELECT id FROM market_instrument
    WHERE id = %(instrument)s AND EXISTS (SELECT FROM begun)
    FOR NO KEY UPDATE SKIP LOCKED
)
)
SELECT steps FROM begun
"""
BEGIN_STEP = BEGIN_IF_FREE.format(busy=BUSY, due=DUE)

ASK_CLOCK = "SELECT {} FROM market_marketclock WHERE id = 1"
IS_DUE = ASK_CLOCK.format(DUE)
IS_HELD = ASK_CLOCK.format(BUSY)

END_STEP = """
UPDATE market_marketclock SET busy_until = NULL, finished = steps WHERE id = 1 AND steps = %s
"""


def begin_step(
    *,
    instrument_id: int | None = None,
    min_interval_seconds: float = 0,
    patience_seconds: float = 0,
    lease_seconds: float = 60,
) -> int | None:
    """Take the clock for a step of all instruments, or of one, and return the step's number.

    None when within ``patience_seconds`` it is not due, ``min_interval_seconds`` after the last
    one, or another step still holds the clock. A holder gives the clock back when its lease
    ends, and at once when its connection does.
    """
    parameters = {
        "instrument": instrument_id,
        "min_interval": min_interval_seconds,
        "lease": lease_seconds,
    }
    deadline = time.monotonic() + patience_seconds
    while (step := take(parameters)) is None and (left := deadline - time.monotonic()) > 0:
        if not is_due({**parameters, "min_interval": min_interval_seconds - left}):
            return None
        time.sleep(POLL)
    return step


@transaction.atomic(durable=True)
def take(parameters: dict[str, Any]) -> int | None:
    """Take the clock if it is free and the step is due."""
    with connection.cursor() as cursor:
        pid = connection.connection.info.backend_pid
        cursor.execute(BEGIN_STEP, {**parameters, "pid": pid})
        row = cursor.fetchone()
    return row[0] if row else None


def is_due(parameters: dict[str, Any]) -> bool:
    """Tell whether a step has its turn, were the clock free."""
    with connection.cursor() as cursor:
        cursor.execute(IS_DUE, parameters)
        row = cursor.fetchone()
    return bool(row and row[0])


def is_held() -> bool:
    """Tell whether a step has the clock."""
    with connection.cursor() as cursor:
        cursor.execute(IS_HELD)
        row = cursor.fetchone()
    return bool(row and row[0])


def end_step(*, step: int) -> None:
    """Give the clock back, unless a later step has taken it after the lease ended.

    On another connection where the step's own is lost: behind a pooler nobody else sees that.
    """
    try:
        give_back(step)
    except OperationalError:
        connection.close()
        give_back(step)


@transaction.atomic(durable=True)
def give_back(step: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(END_STEP, [step])
