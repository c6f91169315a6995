"""A moment in which nobody is at work in the live database, to copy or to replace it.

The order matters. First every table is locked against writing, which waits until no transaction
has anything uncommitted; what is asked of the moment is asked then. Behind these locks the change
itself begins on the maintenance connection: PostgreSQL lets nobody connect to a database that is
being copied or renamed, and waits until the last one has left it. Only when it does so, all others
are disconnected, and this process goes last. So nothing is committed between the question and the
change, and whoever dies on the way gives all locks back and leaves everything as it was.

Processes of the exchange see that their connection has ended and open another one, which waits
until the change is done.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql
from psycopg.errors import DeadlockDetected, ObjectInUse

from kpi.errors import ExperimentRefused
from kpi.experiments.databases import Databases
from kpi.experiments.state import table_names
from market.clock import is_held
from market.kernel.database import disconnect
from market.kernel.locks import is_lock_timeout, limit_lock_waits

#: Seconds that writers are waited for in all, and at one go: fewer than PostgreSQL takes to look
#: for a deadlock, so that it is never the exchange's transaction that has to give way.
PATIENCE: Final = 10.0
LOCK_PATIENCE: Final = 0.8
PAUSE: Final = 0.1

OTHERS: Final = """
SELECT pid, coalesce(nullif(application_name, ''), 'a client'), coalesce(client_addr::text, 'here'),
       extract(epoch FROM clock_timestamp() - xact_start), left(query, 60)
FROM pg_stat_activity
WHERE datname = %s AND xact_start IS NOT NULL AND backend_type = 'client backend'
    AND wait_event_type IS DISTINCT FROM 'Lock' AND pid <> pg_backend_pid()
ORDER BY xact_start
"""
HELD: Final = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE pid = %s AND granted AND locktype = 'object' AND classid = 'pg_database'::regclass
        AND objid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode IN ('ShareLock', 'AccessExclusiveLock')
)
"""
END_OTHERS: Final = """
SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""
#: What a transaction has seen of other sessions it sees again, unless it forgets it.
FORGET: Final = "SELECT pg_stat_clear_snapshot()"
OTHERS_LEFT: Final = END_OTHERS.replace("pg_terminate_backend(pid, 3000)", "count(*)")


class WriterAtWork(Exception):
    """A transaction or a market step is not at its end."""


def change_at_rest(
    databases: Databases, change: Callable[[], None], *, check: Callable[[], None]
) -> float:
    """Run ``change`` while the live database stands still; return for how many seconds it did.

    ``change`` uses the maintenance connection alone, and begins with a statement that PostgreSQL
    runs only where nobody is connected to the live database. ``check`` is asked behind the locks
    and may refuse. Raises ExperimentRefused.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        started = time.monotonic()
        try:
            with ThreadPoolExecutor(1) as thread:
                with transaction.atomic(durable=True):
                    lock_all_tables()
                    check()
                    changing = thread.submit(change)
                    clear_out(databases, changing)
                disconnect()
                changing.result()
            return time.monotonic() - started
        except WriterAtWork:
            if time.monotonic() > deadline:
                raise ExperimentRefused(describe_writers(databases)) from None
            time.sleep(PAUSE)
        except ObjectInUse as error:
            raise ExperimentRefused(f"The database is in use: {error}") from error


def lock_all_tables() -> None:
    """Lock every table against writing. Raises WriterAtWork where somebody writes for too long."""
    limit_lock_waits(seconds=LOCK_PATIENCE)
    tables = sql.SQL(", ").join(map(sql.Identifier, table_names()))
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(tables))
    except OperationalError as error:
        if is_lock_timeout(error) or isinstance(error.__cause__, DeadlockDetected):
            raise WriterAtWork from error
        raise
    if is_held():
        raise WriterAtWork


def clear_out(databases: Databases, changing: Future[Any]) -> None:
    """Disconnect all others as soon as nobody new gets in. Raises ExperimentRefused."""
    pid = databases.maintenance.info.backend_pid
    with connection.cursor() as cursor:
        while not changing.done() and not answer(cursor, HELD, [pid]):
            time.sleep(0.005)
        try:
            cursor.execute(END_OTHERS)
        except DatabaseError as error:
            raise ExperimentRefused(
                f"Others cannot be disconnected ({error}); disconnect them first."
            ) from error
        cursor.execute(FORGET)
        if left := answer(cursor, OTHERS_LEFT):
            raise ExperimentRefused(f"{left} connection(s) do not end; try again.")


def answer(cursor: CursorWrapper, query: str, parameters: Sequence[Any] = ()) -> Any:
    """Return the one value of a query."""
    cursor.execute(query, parameters)
    [value] = cursor.fetchone()
    return value


def describe_writers(databases: Databases) -> str:
    """Say who is in a transaction, as far as this role may see it."""
    rows = databases.maintenance.execute(OTHERS, [databases.live]).fetchall()
    found = "; ".join(
        f"process {pid}, {name} at {address}, for {seconds:.0f} s: {query!r}"
        for pid, name, address, seconds, query in rows
    )
    return (
        f"Somebody has been writing to the database for {PATIENCE:g} s: "
        f"{found or 'a market step'}. Wait for it or end it, then try again."
    )
