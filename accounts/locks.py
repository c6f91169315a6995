"""Row locks on accounts. Every transaction locks accounts first, exposure rows last.

An account's key never changes, so that no lock keeps out the foreign keys that refer to it: what
others write about an account waits for none of its transactions.
"""

from collections.abc import Collection
from typing import Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

from accounts.errors import AccountNotFound
from accounts.ledger import system_account_id
from accounts.models import Account, AccountKind
from market.kernel.rows import as_array

LOCK: Final = "SELECT id, user_id, transaction FROM lock_accounts(%s::bigint[], %s, %s)"


def lock_account(*, user_id: int) -> int:
    """Lock the account of a user until the transaction ends and return its id.

    What is decided under the lock must be read in a later statement: one that waited for the lock
    would see the other tables as they were before. Raises AccountNotFound.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM accounts_account WHERE user_id = %s FOR NO KEY UPDATE", [user_id]
        )
        row = cursor.fetchone()
    if row is None:
        raise AccountNotFound
    return int(row[0])


def lock_accounts(*, user_ids: Collection[int], patience: float, afterwards: float) -> list[int]:
    """Lock the accounts of several users, as ``lock_account`` does, and return their ids in order.

    It waits ``patience`` seconds for one that another transaction has locked; without any it leaves
    those out. For any other locked row the transaction then waits ``afterwards`` seconds.
    """
    with connection.cursor() as cursor:
        ask_for_locks(cursor, user_ids=user_ids, patience=patience, afterwards=afterwards)
        return [row[0] for row in cursor.fetchall()]


def ask_for_locks(
    cursor: CursorWrapper, *, user_ids: Collection[int], patience: float, afterwards: float
) -> None:
    """Send the same; the answer has a row each: account, user, and the transaction's id."""
    waits = [round(seconds * 1000) for seconds in (patience, afterwards)]
    cursor.execute(LOCK, [as_array(user_ids), *waits])


def lock_insurance_fund() -> None:
    """Let one transaction at a time draw on the insurance fund, while others may pay into it."""
    account_id = system_account_id(AccountKind.INSURANCE)
    Account.objects.select_for_update(no_key=True).only("id").get(pk=account_id)


def try_lock_insurance_fund() -> bool:
    """Lock the insurance fund unless another transaction has; tell whether it is locked now."""
    account_id = system_account_id(AccountKind.INSURANCE)
    free = Account.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=account_id)
    return free.values_list("pk").first() is not None
