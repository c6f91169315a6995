"""What the insurance fund holds is read from a checkpoint, exact whoever moves money meanwhile."""

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.ledger import system_account_id
from accounts.models import AccountKind, SystemMovement, Transfer, TransferKind
from accounts.selectors import (
    insurance_fund_balance,
    system_balance,
    total_bad_debt,
    transferred_balance,
)
from accounts.services import fold_free_movements, fund_insurance

FUND, DEBT, OUTSIDE = AccountKind.INSURANCE, AccountKind.BAD_DEBT, AccountKind.EXTERNAL
HISTORY = 1_000


def transfer(debit: AccountKind, credit: AccountKind, amount: int) -> Transfer:
    return Transfer(
        kind=TransferKind.DEPOSIT,
        debit_account_id=system_account_id(debit),
        credit_account_id=system_account_id(credit),
        amount=Decimal(amount),
    )


def pages_read(read: Callable[[], Any]) -> int:
    """Return how many pages the one query of ``read`` touches."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        read()
    [query] = queries
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query["sql"])
        [(plan,)] = cursor.fetchall()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


def both_ways(kind: AccountKind) -> tuple[Decimal, Decimal]:
    return system_balance(kind=kind), transferred_balance(account_id=system_account_id(kind))


@pytest.mark.parametrize("read", [insurance_fund_balance, total_bad_debt])
def test_reading_costs_the_same_after_a_long_history(db: None, read: Callable[[], Decimal]) -> None:
    Transfer.objects.bulk_create([transfer(OUTSIDE, FUND, 9), transfer(DEBT, OUTSIDE, 1)])
    before = pages_read(read)
    history = [transfer(*sides, 2) for sides in [(OUTSIDE, FUND), (DEBT, OUTSIDE)] * HISTORY]
    Transfer.objects.bulk_create(history)
    fold_free_movements()
    assert pages_read(read) <= before + 2
    assert (insurance_fund_balance(), total_bad_debt()) == (9 + 2 * HISTORY, 1 + 2 * HISTORY)


def test_folding_changes_no_balance(db: None) -> None:
    Transfer.objects.bulk_create(
        [transfer(OUTSIDE, FUND, 100), transfer(FUND, DEBT, 30), transfer(DEBT, OUTSIDE, 50)]
    )
    for _ in range(3):
        assert both_ways(FUND) == (70, 70)
        assert both_ways(DEBT) == (-20, -20)
        fold_free_movements()
        fund_insurance(amount=Decimal(1), reason="Test")
        assert both_ways(FUND) == (71, 71)
        Transfer.objects.bulk_create([transfer(FUND, OUTSIDE, 1)])
    fold_free_movements()
    assert not SystemMovement.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_transfer_that_commits_after_a_later_one_was_folded_is_not_lost() -> None:
    """Ids of transfers are drawn in another order than that of commits."""
    written, folded = threading.Event(), threading.Event()

    def pay_slowly() -> None:
        with transaction.atomic():
            fund_insurance(amount=Decimal(5), reason="Drawn first, committed last")
            written.set()
            folded.wait(timeout=30)
        connection.close()

    payer = threading.Thread(target=pay_slowly)
    payer.start()
    assert written.wait(timeout=30)
    fund_insurance(amount=Decimal(7), reason="Drawn last, committed first")
    fold_free_movements()
    seen = both_ways(FUND)
    folded.set()
    payer.join()
    assert seen == (7, 7)
    assert both_ways(FUND) == (12, 12)
    fold_free_movements()
    assert both_ways(FUND) == (12, 12)


@pytest.mark.django_db(transaction=True)
def test_folding_beside_payers_loses_and_doubles_nothing() -> None:
    paying = threading.Event()

    def pay() -> None:
        for _ in range(25):
            fund_insurance(amount=Decimal(1), reason="Test")
        connection.close()

    def fold() -> None:
        while not paying.is_set():
            fold_free_movements()
        connection.close()

    payers = [threading.Thread(target=pay) for _ in range(3)]
    folders = [threading.Thread(target=fold) for _ in range(2)]
    for thread in payers + folders:
        thread.start()
    for payer in payers:
        payer.join()
    paying.set()
    for folder in folders:
        folder.join()
    assert both_ways(FUND) == (75, 75)
