"""Sealed records form a chain; whatever is altered, missing, moved or cut off is found."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts.models import User
from accounts.services import deposit
from kpi.audit.chain import GENESIS
from kpi.audit.checks import check_audit, last_audit_differences
from kpi.audit.models import AuditHead, AuditRecord
from kpi.audit.sealing import seal_records
from kpi.audit.verification import verify_audit
from risk.engine import Intent
from tests.kpi.audit.conftest import Tamper
from trading.models import Order
from trading.services import place_order

pytestmark = pytest.mark.django_db

Trail = list[AuditRecord]


@pytest.fixture
def sealed(user: User) -> Trail:
    """A short sealed trail: deposits and a refused order."""
    for amount in range(1, 6):
        deposit(account=user.account, amount=Decimal(amount), reason="Test")
    place_order(user_id=user.pk, intent=Intent("NONE", True, Decimal(1)))
    seal_records()
    return list(AuditRecord.objects.order_by("sequence"))


def found() -> list[str]:
    return [str(difference) for difference in verify_audit().differences]


def test_a_sound_trail_is_one_chain_without_gaps(sealed: Trail) -> None:
    assert [record.sequence for record in sealed] == list(range(1, len(sealed) + 1))
    hashes = [GENESIS, *(record.hash for record in sealed)]
    assert [record.previous_hash for record in sealed] == hashes[:-1]
    head = AuditHead.objects.get()
    assert (head.sequence, head.hash) == (len(sealed), hashes[-1])
    assert found() == []
    assert seal_records() == 0


ALTERATIONS = {
    "details": '\'{"amount": "6"}\'',
    "actor_id": "77",
    "user_id": "77",
    "kind": "'liquidation'",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "recorded_at - interval '1 day'",
    "reference": "'admin_log:77'",
}


def test_an_altered_record_is_found(sealed: Trail, tamper: Tamper) -> None:
    victim = next(record for record in sealed if record.kind == "balance_change").sequence
    for column, value in ALTERATIONS.items():
        with transaction.atomic():
            tamper(
                f"UPDATE kpi_auditrecord SET {column} = {value} WHERE sequence = %s",  # noqa: S608
                victim,
            )
            assert f"record {victim}: altered" in found(), column
            transaction.set_rollback(True)
    assert found() == []


def test_a_record_with_a_fitting_hash_breaks_the_next_link(sealed: Trail, tamper: Tamper) -> None:
    tamper("UPDATE kpi_auditrecord SET hash = %s WHERE sequence = 2", "f" * 64)
    assert found() == ["record 2: altered", "record 3: does not follow the record before it"]


def test_a_missing_record_is_found(sealed: Trail, tamper: Tamper) -> None:
    tamper("DELETE FROM kpi_auditrecord WHERE sequence IN (2, 3)")
    assert found()[0] == "record 2: missing, up to record 3"


def test_records_in_another_order_are_found(sealed: Trail, tamper: Tamper) -> None:
    tamper("UPDATE kpi_auditrecord SET sequence = 99999 WHERE sequence = 2")
    tamper("UPDATE kpi_auditrecord SET sequence = 2 WHERE sequence = 3")
    tamper("UPDATE kpi_auditrecord SET sequence = 3 WHERE sequence = 99999")
    assert found()[0] == "record 2: does not follow the record before it"


def test_a_cut_off_end_is_found(sealed: Trail, tamper: Tamper) -> None:
    last = len(sealed)
    tamper("DELETE FROM kpi_auditrecord WHERE sequence > %s", last - 2)
    assert f"record {last - 1}: missing, up to record {last}, where the chain ended" in found()


def test_a_head_that_was_moved_back_is_found(sealed: Trail, tamper: Tamper) -> None:
    tamper("UPDATE kpi_audithead SET sequence = sequence - 1")
    assert found() == [f"record {len(sealed)}: not the end of the chain that was kept"]
    tamper("DELETE FROM kpi_audithead")
    assert found() == ["the head of the chain is missing"]


def test_a_fact_without_a_record_is_found(sealed: Trail, tamper: Tamper) -> None:
    refused = Order.objects.get(status="REJECTED")
    tamper(
        "INSERT INTO django_admin_log (action_time, user_id, object_repr, action_flag, "
        "change_message) VALUES (now(), 4, 'x', 2, 'unseen')"
    )
    [difference] = found()
    assert difference.startswith("no record of admin_log:")
    tamper("DELETE FROM kpi_auditrecord WHERE reference = %s", f"order:{refused.pk}")
    assert f"no record of order:{refused.pk}" in found()


def test_the_command_tells_and_fails(
    sealed: Trail, tamper: Tamper, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify_audit")
    assert sealed[-1].hash in capsys.readouterr().out
    tamper("UPDATE kpi_auditrecord SET user_id = 0 WHERE sequence = 1")
    with pytest.raises(CommandError, match="1 difference"):
        call_command("verify_audit")
    assert "record 1: altered" in capsys.readouterr().err


def test_a_check_is_kept_for_the_alert(sealed: Trail, tamper: Tamper) -> None:
    assert last_audit_differences() is None
    check_audit()
    assert last_audit_differences() == 0
    tamper("DELETE FROM kpi_auditrecord WHERE sequence = 1")
    check = check_audit()
    assert check is not None
    assert last_audit_differences() == check.differences
    assert check.details[0] == "record 1: missing, up to record 1"
