"""Statements that go to the database together, the last ones of a transaction with its COMMIT.

A statement in a pipeline is sent at once and answered when somebody fetches from it, or when the
pipeline ends. After one that fails the database runs none of those behind it, a COMMIT among them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from django.db import DatabaseError, connection, transaction


class MarkMoved(Exception):
    """A market step changed the mark price meanwhile: decide again."""


class GlobalExposureExceeded(Exception):
    """The changes would lift global exposure above its threshold."""


#: What the guards of ``move_exposure`` mean, by the SQLSTATE that they raise.
GUARDS: Final = {"EX001": MarkMoved, "EX002": GlobalExposureExceeded}


@contextmanager
def guarded() -> Iterator[None]:
    """Raise what a guard means in place of the database's error."""
    try:
        yield
    except DatabaseError as error:
        if guard := GUARDS.get(getattr(error.__cause__, "sqlstate", None) or ""):
            raise guard from error
        raise


@contextmanager
def pipelined(*, commit: bool = False) -> Iterator[None]:
    """Send the statements of the block together and wait for them all at its end.

    With ``commit`` the COMMIT goes along. Raises MarkMoved, GlobalExposureExceeded.
    """
    with guarded(), connection.wrap_database_errors, connection.connection.pipeline():
        yield
        if commit:
            connection.connection.execute("COMMIT", prepare=False)


@contextmanager
def committed_together() -> Iterator[Callable[[], None]]:
    """Open a transaction; what follows a call of what it gives is sent together with the COMMIT.

    That part must not look at row counts, which are known later. Inside another transaction, which
    goes on, the block waits for the answers instead. Raises MarkMoved, GlobalExposureExceeded.
    """
    commit = not connection.in_atomic_block
    # The pipeline ends before the transaction: where the COMMIT did not run, a ROLLBACK within the
    # pipeline would stumble over the answers that are left in it.
    with guarded(), transaction.atomic(), ExitStack() as last:
        yield lambda: last.enter_context(pipelined(commit=commit))
