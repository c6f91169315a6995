"""Rows that are read by statements written once, beside what the ORM reads."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Transfer, User
from accounts.services import deposit
from market.kernel.rows import Rows, find, first_row
from tests.console import D

pytestmark = pytest.mark.django_db


def test_rows_come_as_the_orm_reads_them_with_what_they_point_to(user: User) -> None:
    by_staff = deposit(account=user.account, amount=D("5"), created_by=user, reason="A test")
    by_nobody = deposit(account=user.account, amount=D("7"), created_by=None, reason="A test")
    read = Rows(Transfer, credit_account=["id", "user_id"], created_by=["id", "username"]).by_id
    rows = read([by_nobody.pk, by_staff.pk, 0])
    assert rows.keys() == {by_staff.pk, by_nobody.pk}
    assert {pk: vars(row) | {"_state": None} for pk, row in rows.items()} == {
        row.pk: vars(row) | {"_state": None} for row in Transfer.objects.filter(pk__in=rows)
    }
    told, untold = rows[by_staff.pk], rows[by_nobody.pk]
    assert told.credit_account.user_id == user.pk
    assert told.created_by is not None
    assert told.created_by.username == user.username
    assert untold.created_by is None
    assert read([]) == {}


def test_some_columns_of_a_row_are_an_instance_as_the_orm_makes_it(user: User) -> None:
    statement = "SELECT id, username FROM accounts_user WHERE id = %s"
    assert find(User, ["id", "username"], statement, [0]) is None
    made = find(User, ["id", "username"], statement, [user.pk])
    stored = User.objects.only("id", "username").get(pk=user.pk)
    assert made == stored
    assert vars(made) | {"_state": None} == vars(stored) | {"_state": None}
    assert vars(made._state) == vars(stored._state)
    made.username, made.tier = "renamed", user.tier  # what is not there is read when it is needed
    made.save(update_fields=["username"])
    assert User.objects.get(username="renamed").tier == made.tier


#: Of a number, a moment and a text what PostgreSQL makes of them.
ECHO = "SELECT %s::int + 1, %s::timestamptz, upper(%s::text) WHERE %s"


def test_a_statement_of_each_request_answers_anew_each_time() -> None:
    for number, word in enumerate(("a", "b", "b", "c", "d")):
        moment = timezone.now() - timedelta(days=number)
        asked = [number, moment, word, True]
        assert first_row(ECHO, asked) == (number + 1, moment, word.upper())
        assert first_row(ECHO, [*asked[:3], False]) is None


def test_it_is_seen_by_whoever_listens_and_refused_in_a_broken_transaction() -> None:
    heard: list[str] = []

    def listen(execute, sql, *rest):  # type: ignore[no-untyped-def]
        heard.append(sql)
        return execute(sql, *rest)

    with CaptureQueriesContext(connection) as captured:
        first_row("SELECT 7", [])
    assert [query["sql"] for query in captured] == ["SELECT 7"]
    with connection.execute_wrapper(listen):
        first_row("SELECT 8", [])
    assert heard == ["SELECT 8"]
    with transaction.atomic():
        for statement in ("SELECT 1 / 0", "SELECT 1 / 0"):  # its cursor is used again
            with pytest.raises(DatabaseError), transaction.atomic():
                first_row(statement, [])
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            first_row("SELECT 9", [])
