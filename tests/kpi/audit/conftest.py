"""A seeded exchange whose every kind of fact has happened, and ways to reach past its guards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from kpi.audit.models import AuditRecord
from kpi.audit.sealing import seal_records
from tests.console import clerk, exchange, seeded, staff, trader

__all__ = ["clerk", "exchange", "seeded", "staff", "trader"]

Tamper = Callable[..., None]


@contextmanager
def past_the_guards() -> Iterator[Any]:
    """Give a cursor for which no trigger runs, as a database superuser can have it."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture
def tamper(db: None) -> Tamper:
    """Run a statement with all triggers off."""

    def run(statement: str, *parameters: Any) -> None:
        with past_the_guards() as cursor:
            cursor.execute(statement, parameters)

    return run


@pytest.fixture
def sealed(exchange: None) -> list[AuditRecord]:
    """The sealed trail of the exchange, oldest first."""
    commit()
    seal_records()
    return list(AuditRecord.objects.order_by("sequence"))


def commit() -> None:
    """Run what waits for the end of the transaction, in a test that never commits."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def records(**conditions: Any) -> list[AuditRecord]:
    """Return the records that match, the newest first, deferred ones included."""
    commit()
    return list(AuditRecord.objects.filter(**conditions))


def admin_user() -> User:
    return User.objects.get(username="admin")
