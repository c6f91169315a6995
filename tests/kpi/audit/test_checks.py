"""Regular checks go on where the last sound one ended; once a day everything is verified."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from accounts.services import deposit
from kpi.audit.checks import check_audit
from kpi.audit.coverage import last_facts, unrecorded_facts
from kpi.audit.models import AuditCheck, AuditRecord
from kpi.audit.sealing import seal_records
from kpi.tasks import check_audit as regular_check
from risk.engine import Intent
from tests.each import each
from tests.kpi.audit.conftest import Tamper
from trading.models import Order
from trading.services import place_order

pytestmark = pytest.mark.django_db

Add = Callable[[int], None]


@pytest.fixture
def add(user: User) -> Add:
    """Add so many sealed records."""

    def run(count: int) -> None:
        for _ in range(count):
            deposit(account=user.account, amount=Decimal(1), reason="Test")
        seal_records()

    return run


@pytest.fixture
def checked(add: Add) -> int:
    """The number of the last record of a trail that was found sound."""
    add(5)
    check = check_audit()
    assert check is not None
    assert (check.differences, check.is_full) == (0, True)
    return check.records


def look() -> AuditCheck:
    """Make the regular check and return what it found."""
    regular_check()
    return AuditCheck.objects.latest("id")


def test_a_regular_check_verifies_what_is_new(checked: int, add: Add, tamper: Tamper) -> None:
    add(3)
    check = look()
    assert (check.records, check.differences, check.is_full) == (checked + 3, 0, False)
    assert check.hash == AuditRecord.objects.get(sequence=checked + 3).hash
    add(2)
    tamper("UPDATE kpi_auditrecord SET user_id = 0 WHERE sequence = %s", checked + 4)
    check = look()
    assert (check.details, check.is_full) == ([f"record {checked + 4}: altered"], False)


def test_an_old_record_is_verified_once_a_day(checked: int, add: Add, tamper: Tamper) -> None:
    tamper("UPDATE kpi_auditrecord SET user_id = 0 WHERE sequence = 1")
    add(1)
    assert look().differences == 0
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        check = look()
        assert (check.details, check.is_full) == (["record 1: altered"], True)


def test_after_a_difference_the_next_check_verifies_all(checked: int, tamper: Tamper) -> None:
    tamper("UPDATE kpi_auditrecord SET user_id = 0 WHERE sequence = 1")
    regular_check(full=True)
    check = look()
    assert (check.details, check.is_full) == (["record 1: altered"], True)


@each(
    "statement",
    [
        "DELETE FROM kpi_auditrecord WHERE sequence = %s",
        "UPDATE kpi_auditrecord SET hash = repeat('f', 64) WHERE sequence = %s",
    ],
)
def test_the_record_it_goes_on_from_has_the_hash_that_was_kept(
    checked: int, add: Add, tamper: Tamper, statement: str
) -> None:
    add(1)
    tamper(statement, checked)
    assert look().details[0] == f"record {checked}: not as the last check found it"


def test_a_cut_off_end_is_found(checked: int, add: Add, tamper: Tamper) -> None:
    add(2)
    tamper("DELETE FROM kpi_auditrecord WHERE sequence > %s", checked)
    cut = f"record {checked + 1}: missing, up to record {checked + 2}, where the chain ended"
    assert cut in look().details


def test_a_new_fact_without_a_record_is_found(checked: int, user: User, tamper: Tamper) -> None:
    assert look().differences == 0
    place_order(user_id=user.pk, intent=Intent("NONE", True, Decimal(1)))
    refused = Order.objects.get(status="REJECTED")
    tamper("DELETE FROM kpi_auditrecord WHERE reference = %s", f"order:{refused.pk}")
    assert look().details == [f"no record of order:{refused.pk}"]


def test_facts_that_an_earlier_check_saw_are_not_read_again(
    user: User, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_order(user_id=user.pk, intent=Intent("NONE", True, Decimal(1)))
    refused = Order.objects.get(status="REJECTED")
    tamper("DELETE FROM kpi_auditrecord WHERE reference = %s", f"order:{refused.pk}")
    assert list(unrecorded_facts(after=last_facts())) == [f"order:{refused.pk}"], "the overlap"
    monkeypatch.setattr("kpi.audit.coverage.OVERLAP", 0)
    assert list(unrecorded_facts(after={})) == [f"order:{refused.pk}"]
    assert list(unrecorded_facts(after=last_facts())) == []
