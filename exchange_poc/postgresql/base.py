"""Hands out connections that live, without asking the server each time.

A server that ends, or ends a connection, says so: the socket has something to read, where there
should be nothing before a query. That is seen without a round trip. A connection that was cut off
without a word shows only by asking, which is done after a while of rest.

Cursors of the server live in transactions alone, since a pooler such as PgBouncer serves what
follows a transaction by another connection, where there is no such cursor.
"""

import select
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool

from exchange_poc.postgresql.watched import StandsStill

#: A connection not used for so long is asked whether it still answers.
REST_SECONDS: Final = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, but for the connections it takes from the pool and where it opens cursors."""

    #: Django's pools of this process, by alias.
    pools: dict[str, ConnectionPool[Any]] = base.DatabaseWrapper._connection_pools  # type: ignore
    #: The pool that gave this wrapper a connection before, which Django has set up.
    known_pool: ConnectionPool[Any] | None = None

    def connect(self) -> None:
        """Open a connection, or take one of the pool, where but for the first nothing is set up."""
        known = self.known_pool
        if known is None or known is not self.pools.get(self.alias):
            super().connect()
            self.known_pool = self.pools.get(self.alias)
            return
        self.savepoint_ids, self.atomic_blocks, self.run_on_commit = [], [], []
        self.in_atomic_block = self.needs_rollback = self.closed_in_transaction = False
        self.errors_occurred, self.health_check_done = False, True
        self.close_at = time.monotonic()
        self.connection = self.living(known.getconn)
        if not (self.autocommit and self.connection.autocommit):
            self.set_autocommit(self.settings_dict["AUTOCOMMIT"])

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        return self.living(partial(super().get_new_connection, conn_params))

    def living(self, take: Callable[[], Any]) -> Any:
        """Return a connection that lives; dead ones go back, and the pool opens others."""
        connection = take()
        while self.pool and not self.keeps(connection):
            connection = take()
        connection.used_at = time.monotonic()
        return connection

    def keeps(self, connection: Any) -> bool:
        """Tell whether a connection lives, else give it back. Raises StandsStill."""
        alive = False
        try:
            alive = is_alive(connection)
        finally:
            if not alive:
                self.pool.putconn(connection)
        return alive

    def cursor(self) -> Any:
        """Return a cursor; an open connection is not looked at again for each statement."""
        if self.connection is None or self.queries_logged:
            return super().cursor()
        self.validate_thread_sharing()
        return self.make_cursor(self.create_cursor())

    def first_row(self, statement: str, arguments: Sequence[Any]) -> Sequence[Any] | None:
        """Return the first row of one of the few statements that each request runs, or None.

        A connection keeps a cursor for each of them, which remembers how their values are written
        and read: half of what it costs. Who listens to statements is told by a cursor of Django's.
        """
        if self.queries_logged or self.execute_wrappers:
            with self.cursor() as cursor:
                cursor.execute(statement, arguments)
                heard: Sequence[Any] | None = cursor.fetchone()
            return heard
        self.ensure_connection()
        self.validate_no_broken_transaction()
        with self.wrap_database_errors:
            kept = vars(self.connection).setdefault("kept_cursors", {})
            if statement not in kept:
                kept[statement] = self.create_cursor()
            kept[statement].execute(statement, arguments, prepare=True)
            row: Sequence[Any] | None = kept[statement].fetchone()
        return row

    def chunked_cursor(self) -> Any:
        """Return a cursor of the server in a transaction, else one that fetches all at once."""
        return super().chunked_cursor() if self.in_atomic_block else self.cursor()


def is_alive(connection: Connection) -> bool:
    """Tell whether a connection from the pool can be used; one that can't is closed."""
    rested = time.monotonic() - getattr(connection, "used_at", 0.0) > REST_SECONDS
    if connection.closed or not (rested or has_something_to_read(connection)):
        return not connection.closed
    try:
        ConnectionPool.check_connection(connection)
    except StandsStill:
        raise  # as would each other connection of the pool, one after the other
    except OperationalError:
        connection.close()
        return False
    return True


def has_something_to_read(connection: Connection) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
