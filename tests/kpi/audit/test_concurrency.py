"""Capturing waits for nobody, and several sealers still make one chain."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.models import User
from accounts.services import create_user
from kpi.audit.models import AuditRecord
from kpi.audit.sealing import seal_records
from kpi.audit.selectors import exported_records
from kpi.audit.verification import verify_audit
from market.kernel.turns import Turn, wait_for_turn
from risk.engine import Intent
from trading.services import place_order

pytestmark = pytest.mark.django_db(transaction=True)

ORDERS = 20


def refuse(user_id: int) -> None:
    """Have some orders refused."""
    for _ in range(ORDERS):
        place_order(user_id=user_id, intent=Intent("NONE", True, Decimal(1)))
    connection.close()


def seal(_: int) -> None:
    for _ in range(ORDERS):
        seal_records()
    connection.close()


def test_sealers_and_orders_at_once_make_one_chain() -> None:
    users = [create_user(username=f"trader{number}").pk for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda task: task(),
                [
                    *(lambda key=key: refuse(key) for key in users),
                    *(lambda: seal(0) for _ in users),
                ],
            )
        )
    report = verify_audit()
    assert report.differences == []
    refused = AuditRecord.objects.filter(kind="order_rejected", sequence__isnull=False)
    assert refused.count() == ORDERS * len(users)


def test_an_order_is_captured_while_somebody_seals() -> None:
    user = create_user(username="trader")
    with transaction.atomic(), connection.cursor() as cursor:
        wait_for_turn(Turn.SEAL_AUDIT)
        cursor.execute("SELECT FROM kpi_audithead FOR UPDATE")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(refuse, user.pk).result(timeout=30)
    assert AuditRecord.objects.filter(kind="order_rejected").count() == ORDERS
    assert User.objects.count() == 1


def test_an_export_reads_within_one_transaction() -> None:
    """A cursor that outlives its transaction is lost behind a pooler of connections."""
    create_user(username="trader")
    seal_records()
    records = exported_records()
    next(records)
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_holdable FROM pg_cursors WHERE name LIKE '_django_curs_%%'")
        assert cursor.fetchall() == [(False,)]
    records.close()
    assert not connection.in_atomic_block
