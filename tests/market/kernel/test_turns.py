"""Work has one doer at a time, whichever connections serve its transactions."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from market.kernel.turns import Turn, only_one

pytestmark = pytest.mark.django_db(transaction=True)


def is_free() -> bool:
    """Tell, from another thread and connection, whether a check could begin."""

    def ask() -> bool:
        with only_one(Turn.CHECK_LEDGER) as is_only:
            connection.close()
            return is_only

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def replace_connection() -> None:
    """Let the next transaction be another server process's, as a pooler does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    connection.close()
    # Not by way of the pool, which could hand out the very connection that is to end.
    address = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{n: address[n] for n in names if address.get(n)}) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_check_stays_the_only_one_while_connections_come_and_go() -> None:
    with only_one(Turn.CHECK_LEDGER) as is_only:
        assert is_only
        replace_connection()
        assert not is_free()
    assert is_free()


def test_a_check_that_fails_leaves_the_lock() -> None:
    with pytest.raises(LookupError), only_one(Turn.CHECK_LEDGER):
        raise LookupError
    assert is_free()
