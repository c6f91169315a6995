"""The pool hands out connections that live; cursors of the server end with a transaction."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from types import SimpleNamespace
from typing import Final, cast

import psycopg
import pytest
from celery.fixups.django import DjangoWorkerFixup
from celery.signals import task_postrun
from django.contrib.auth.models import Permission
from django.db import connection, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as BaseWrapper
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from django.db.backends.signals import connection_created
from psycopg.pq import TransactionStatus

from exchange_poc.celery import app
from exchange_poc.postgresql import base
from kpi.tasks import beat_heart

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A connection past the pool."""
    address = connection.get_connection_params()
    known = {n: address[n] for n in ("host", "port", "user", "password", "dbname") if n in address}
    with psycopg.connect(**known, autocommit=True) as other:
        yield other


def own_process() -> int:
    """Return the server's process that serves this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    return int(pid)


def last_asked(other: psycopg.Connection, pid: int) -> datetime:
    """Return when a process of the server was last asked anything."""
    asked = "SELECT query_start FROM pg_stat_activity WHERE pid = %s"
    [moment] = other.execute(asked, [pid]).fetchone() or [None]
    assert isinstance(moment, datetime)
    return moment


def is_asked_again(other: psycopg.Connection) -> bool:
    """Tell whether a connection is asked when it is taken from the pool anew, in its turn."""
    pid, taken = own_process(), None
    before = last_asked(other, pid)
    while taken != pid:
        connection.close()
        connection.ensure_connection()
        taken = connection.connection.info.backend_pid
    return last_asked(other, pid) > before


def test_a_connection_that_the_server_ended_is_not_handed_out(other: psycopg.Connection) -> None:
    own_process()
    connection.close()
    other.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert own_process()


def test_one_used_a_moment_ago_is_handed_out_unasked(other: psycopg.Connection) -> None:
    assert not is_asked_again(other)


def test_one_that_rested_is_asked_first(
    other: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "REST_SECONDS", 0.0)
    assert is_asked_again(other)


def test_one_that_came_back_in_the_midst_of_a_transaction_is_handed_out_as_new() -> None:
    pid = own_process()
    connection.set_autocommit(False)
    own_process()
    connection.close()
    with transaction.atomic():
        own_process()
        connection.close()
    taken = [own_process()]
    while pid not in taken:
        connection.close()
        taken.append(own_process())
    assert connection.get_autocommit()
    assert not connection.in_atomic_block
    assert connection.connection.info.transaction_status == TransactionStatus.IDLE


#: What Django keeps of a connection, each with a value that no new one has.
STATES: Final = {
    "in_atomic_block": True,
    "savepoint_ids": ["a"],
    "atomic_blocks": [None],
    "needs_rollback": True,
    "closed_in_transaction": True,
    "errors_occurred": True,
    "health_check_enabled": False,
    "health_check_done": False,
    "run_on_commit": [(set(), print, False)],
    "run_commit_hooks_on_set_autocommit_on": False,
    "autocommit": False,
    "rollback_exc": None,
    "isolation_level": IsolationLevel.READ_COMMITTED,
}


def test_all_that_django_keeps_of_one_is_as_after_its_own_connect() -> None:
    found = []
    for connect in (BaseWrapper.connect, base.DatabaseWrapper.connect):
        own_process()
        connection.close()
        for name, value in STATES.items():
            setattr(connection, name, value)
        connect(cast("base.DatabaseWrapper", connections["default"]))
        found.append({name: getattr(connection, name) for name in STATES})
        assert connection.close_at is not None
        assert connection.close_at <= time.monotonic()
    assert found[0] == found[1]
    assert (found[0]["autocommit"], found[0]["errors_occurred"]) == (True, False)


def test_a_pool_that_was_closed_gives_none() -> None:
    own_process()
    connection.close()
    before = connection.pool
    connection.close_pool()
    assert own_process()
    assert connection.pool is not before
    assert not connection.pool.closed


def test_of_a_pool_the_first_alone_is_set_up() -> None:
    made: list[object] = []

    def note(**_: object) -> None:
        made.append(connection.connection)

    own_process()
    connection.close()
    connection_created.connect(note)
    try:
        own_process()
        assert made == []
        connection.close()
        connection.close_pool()
        own_process()
        assert made == [connection.connection]
    finally:
        connection_created.disconnect(note)


def test_rows_are_fetched_bit_by_bit_in_a_transaction_alone() -> None:
    """Behind a pooler the next transaction would find no cursor that this one left open."""
    cursors = "SELECT count(*) FROM pg_cursors WHERE name LIKE '_django_curs_%'"
    found = []
    for block in (nullcontext(), transaction.atomic()):
        with block, connection.cursor() as other:
            rows = Permission.objects.iterator(chunk_size=1)
            first = next(rows)
            other.execute(cursors)
            found.append(other.fetchone()[0])
            assert len([first, *rows]) == Permission.objects.count() > 1
    assert found == [0, 1]


def test_tasks_of_a_process_share_its_pool() -> None:
    """Celery's own care of connections runs as in a child of the worker, before and after."""
    fixup = DjangoWorkerFixup(app)
    fixup.worker = SimpleNamespace(pool_cls="celery.concurrency.prefork:TaskPool")
    pools = set()
    for _ in range(2):
        fixup.on_task_prerun(sender=beat_heart)
        assert own_process()
        pools.add(connection.pool)
        task_postrun.send(sender=beat_heart)
        fixup.on_task_postrun(sender=beat_heart)
        assert connection.connection is None
    [pool] = pools
    assert not pool.closed
