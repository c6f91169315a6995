"""Rows that are read by their ids, beside what the ORM reads."""

import pytest

from accounts.models import Transfer, User
from accounts.services import deposit
from market.kernel.rows import ById
from tests.console import D

pytestmark = pytest.mark.django_db


def test_rows_come_as_the_orm_reads_them_with_what_they_point_to(user: User) -> None:
    by_staff = deposit(account=user.account, amount=D("5"), created_by=user, reason="A test")
    by_nobody = deposit(account=user.account, amount=D("7"), created_by=None, reason="A test")
    read = ById(Transfer, credit_account=["id", "user_id"], created_by=["id", "username"])
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
