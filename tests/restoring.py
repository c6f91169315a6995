"""Brings every row back as migrations made it, after a test that committed.

Django would truncate, which takes long for so many tables, and which their guards refuse.
"""

import os
from typing import Any, Final

import psycopg
from django.db import connection

RESTORE: Final = "SELECT migrated.restore()"


def keep_rows() -> None:
    """Keep what migrations made in a schema of its own, with the function that brings it back."""
    statements = []
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS migrated CASCADE")  # with --reuse-db
        cursor.execute("CREATE SCHEMA migrated")
        for table in connection.introspection.table_names(cursor):
            statements.append(f'DELETE FROM "{table}";')  # noqa: S608
            cursor.execute(f'SELECT FROM "{table}" LIMIT 1')
            if cursor.rowcount:
                cursor.execute(f'CREATE TABLE migrated."{table}" AS TABLE "{table}"')
                statements.append(f'INSERT INTO "{table}" TABLE migrated."{table}";')
        body = f"BEGIN {' '.join(statements)} END"
        cursor.execute(
            f"CREATE FUNCTION migrated.restore() RETURNS void LANGUAGE plpgsql AS $${body}$$"
        )


class Restorer:
    """Restores on a connection of its own, which keeps the plans of what it does.

    On that of the tests each would be made anew: they go with a change of whether triggers fire.
    """

    def __init__(self) -> None:
        self.session = connected()

    def __call__(self, *_: Any) -> None:
        try:
            self.session.execute(RESTORE)
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.OperationalError:  # a test cut all connections of the database
            self.session.close()
            self.session = connected()
            self.session.execute(RESTORE)


def connected() -> psycopg.Connection[Any]:
    """Return a connection for which no trigger fires, and no lock is waited for without an end."""
    options = "-c session_replication_role=replica -c lock_timeout=60s"
    name = connection.settings_dict["NAME"]
    return psycopg.connect(
        os.environ["DATABASE_URL"],
        dbname=name,
        options=options,
        connect_timeout=60,
        autocommit=True,
    )
