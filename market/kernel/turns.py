"""Work that one process does at a time: advisory locks of the database, each with its number."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import IntEnum

from django.db import connection


class Turn(IntEnum):
    """What is done by one at a time; the numbers name the locks within the database."""

    MIGRATE = 7_200_001
    RENEW_BOUNDS = 7_266_001
    CHECK_LEDGER = 7_301_001
    SEAL_AUDIT = 7_301_002
    CHECK_AUDIT = 7_301_003
    EXPERIMENT = 7_402_001
    EXPORT_DAY = 7_402_002
    WHAT_IF = 7_402_003


def wait_for_turn(turn: Turn) -> None:
    """Wait until nobody else is at it; the turn ends with the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [turn.value])


def takes_turn(turn: Turn) -> bool:
    """Take the turn where nobody else is at it, and tell; it ends with the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [turn.value])
        [is_taken] = cursor.fetchone()
    return bool(is_taken)


@contextmanager
def only_one(turn: Turn) -> Iterator[bool]:
    """Tell whether no other process is at it; one that dies gives its turn back.

    The lock belongs to a transaction, of a connection of its own, while the block runs what
    transactions it likes: so it holds, and ends with its holder, behind a pooler too. Where one
    transaction does it all, ``takes_turn`` needs no second connection.
    """
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [turn.value])
            [is_only] = cursor.fetchone()
        yield is_only
        holder.rollback()
