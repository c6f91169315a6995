"""The market's clock: counts steps and lets one run at a time, by a lease that expires.

The lease also ends with the database connection that took it, so that after the death of a worker
or a crash of PostgreSQL the next step is free to begin. Taking and giving back are transactions of
their own, so that other processes see the lease while the step runs; inside another transaction
they raise RuntimeError.
"""

from django.db import connection, transaction

BEGIN_STEP = """
UPDATE market_marketclock
SET steps = steps + 1, stepped_at = clock_timestamp(),
    busy_until = clock_timestamp() + make_interval(secs => %(lease)s),
    holder_pid = pg_backend_pid(),
    holder_connected_at = (
        SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()
    )
WHERE id = 1
    AND (
        busy_until IS NULL
        OR busy_until < clock_timestamp()
        OR NOT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE pid = holder_pid
                AND (backend_start = holder_connected_at OR backend_start IS NULL)
        )
    )
    AND (stepped_at IS NULL
         OR stepped_at <= clock_timestamp() - make_interval(secs => %(min_interval)s))
RETURNING steps
"""

END_STEP = "UPDATE market_marketclock SET busy_until = NULL WHERE id = 1 AND steps = %s"


@transaction.atomic(durable=True)
def begin_step(*, min_interval_seconds: float = 0, lease_seconds: float = 60) -> int | None:
    """Take the clock and return the number of the new step.

    None while another step holds the clock, or when the last one began less than
    ``min_interval_seconds`` ago. A holder gives the clock back when its lease ends, and at once
    when its connection does.
    """
    with connection.cursor() as cursor:
        cursor.execute(BEGIN_STEP, {"lease": lease_seconds, "min_interval": min_interval_seconds})
        row = cursor.fetchone()
    return row[0] if row else None


@transaction.atomic(durable=True)
def end_step(*, step: int) -> None:
    """Give the clock back, unless a later step has taken it after the lease ended."""
    with connection.cursor() as cursor:
        cursor.execute(END_STEP, [step])
