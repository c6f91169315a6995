"""Many cases of one promise in one test: what they need is made once, and all that fail are named.

Each case is undone before the next begins, where the test works within a transaction.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from psycopg.pq import TransactionStatus

#: What holds after each case, before it is undone; fixtures add to it for their tests.
HELD: list[Callable[[], None]] = []


def each(names: str | Sequence[str], values: Iterable[Any]) -> Callable[..., Any]:
    """Call a test with each of some values: ``@each(("size", "code"), [("0", "invalid_size")])``.

    Takes what ``pytest.mark.parametrize`` takes, for cases that are the same test.
    """
    several = not isinstance(names, str)
    rows = [dict(zip(names, row, strict=True)) if several else {names: row} for row in values]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(test)
        fixtures = [one for name, one in signature.parameters.items() if name not in rows[0]]

        @functools.wraps(test)
        def run(**given: Any) -> None:
            found = [(row, failure(test, row, given)) for row in rows]
            failed = [error for _, error in found if error is not None]
            if len(failed) > 1:
                # By name, for the one line of a summary.
                names = "; ".join(str(row) for row, error in found if error is not None)
                told = f"{len(failed)} of {len(rows)} cases failed: {names}"
                raise BaseExceptionGroup(told, failed)
            if failed:
                raise failed[0]

        del run.__wrapped__
        run.__signature__ = signature.replace(parameters=fixtures)
        return run

    return decorate


def failure(
    test: Callable[..., None], row: dict[str, Any], given: dict[str, Any]
) -> BaseException | None:
    """Run one case; return what it fails with, and of which values.

    That is no exception where pytest says it, as ``pytest.raises`` does. A case that would skip the
    test fails, lest nobody hear of the others.
    """
    error: BaseException
    try:
        with undone_case():
            test(**given, **row)
        return None
    except pytest.skip.Exception as skipped:
        error = AssertionError(f"a case cannot be skipped: {skipped}")
    except (Exception, pytest.fail.Exception) as raised:
        error = raised
    error.add_note(f"case: {row}")
    return error


@contextmanager
def undone_case() -> Iterator[None]:
    """Leave neither rows nor counted requests to the next case."""
    cache.delete_pattern("rl:*")
    if not connection.in_atomic_block:
        yield
        return
    savepoint = transaction.atomic()
    savepoint._from_testcase = True  # a market step takes it for the test's own transaction
    with savepoint:
        yield
        # A statement that the database refused ends the transaction: nothing is left to look at.
        if connection.connection.info.transaction_status == TransactionStatus.INTRANS:
            for holds in HELD:
                holds()
            connection.check_constraints()
        transaction.set_rollback(True)
