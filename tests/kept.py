"""What many tests begin with, made once by the exchange's own services and then copied.

The rows are kept beside the tables, in the database of this process: to trade them anew for each
test takes ten times as long.
"""

from collections.abc import Callable, Collection
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.conftest import undone

#: By name, what was made in this process.
STATEMENTS: dict[str, str] = {}


def kept(
    name: str,
    make: Callable[[], object],
    blocker: DjangoDbBlocker,
    *,
    captured: Collection[str] = (),
) -> str:
    """Return the statement that makes an empty exchange what ``make`` makes of it.

    For fixtures of a session: within a test the rows would go with it. They are copied without
    triggers, for which a connection plans all of its statements anew. With the tables that
    triggers fill from the others, ``captured``, triggers fill these, and what is planned stays.
    """
    if name not in STATEMENTS:
        STATEMENTS[name] = keep(f"kept_{name}", make, blocker, captured)
    return STATEMENTS[name]


def keep(
    schema: str, make: Callable[[], object], blocker: DjangoDbBlocker, captured: Collection[str]
) -> str:
    """Store the rows that ``make`` changes in a schema; return the statement that copies them."""
    with undone(blocker), connection.cursor() as cursor:
        before = contents(cursor)
        make()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        after = contents(cursor)
    changed = {table for table, rows in after.items() if rows != before[table]} - {*captured}
    statements = []
    with blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
        for table in sorted(changed):
            cursor.execute(f'CREATE TABLE {schema}."{table}" (LIKE "{table}")')
            with cursor.copy(f'COPY {schema}."{table}" FROM STDIN') as copy:
                copy.write(after[table])
            if before[table]:
                statements.append(f'DELETE FROM "{table}"')  # noqa: S608
            statements.append(f'INSERT INTO "{table}" TABLE {schema}."{table}"')
    if captured:
        statements += ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"]
    else:
        roles = [f"SET LOCAL session_replication_role = {role}" for role in ("replica", "origin")]
        statements = [roles[0], *statements, roles[1]]
    return "; ".join(statements)


def contents(cursor: Any) -> dict[str, bytes]:
    """Return the rows of every table."""
    found = {}
    for table in connection.introspection.table_names(cursor):
        with cursor.copy(f'COPY "{table}" TO STDOUT') as rows:
            found[table] = b"".join(rows)
    return found


def put(statement: str) -> None:
    """Copy what was kept."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def put_marked_now(statement: str) -> None:
    """Copy what was kept, with marks of this moment."""
    fresh = "UPDATE market_instrument SET marked_at = '{:%Y-%m-%d %H:%M:%S.%f%z}'"
    put(f"{statement}; {fresh.format(timezone.now())}")
