"""Reads of the accounts app: an account's transfers, what the fund holds, which keys live."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import QuerySet

from accounts.errors import AccountNotFound
from accounts.keys import live_keys
from accounts.ledger import system_account_id
from accounts.models import Account, AccountKind, ApiKey, Transfer
from market.kernel.amounts import ZERO

#: What is read of an account to tell whose a row is.
OWNER: Final = ("id", "user_id")
#: So many transfers are added up in some ten milliseconds.
MOST_SUMMED: Final = 100_000

# Written out: to put them together takes the ORM ten times as long as PostgreSQL to answer.
KEPT: Final = """
SELECT balance + coalesce((
    SELECT sum(amount) FROM accounts_systemmovement WHERE system_balance_id = account_id
), 0) FROM accounts_systembalance WHERE account_id = %(account)s
"""
TRANSFERRED: Final = """
SELECT sum(CASE credit_account_id WHEN %(account)s THEN amount ELSE -amount END)
FROM accounts_transfer
WHERE credit_account_id = %(account)s OR debit_account_id = %(account)s
"""


def insurance_fund_balance() -> Decimal:
    """Return what the insurance fund holds in USDT: all it received less all it paid."""
    return system_balance(kind=AccountKind.INSURANCE)


def total_bad_debt() -> Decimal:
    """Return the losses in USDT that neither accounts nor the insurance fund could pay."""
    return -system_balance(kind=AccountKind.BAD_DEBT)


def system_balance(*, kind: AccountKind) -> Decimal:
    """Return what a system account received less what it paid, in USDT.

    Of an account with a checkpoint at a cost that does not grow with history.
    """
    account_id = system_account_id(kind)
    balance = amount_of(KEPT, account_id)
    return transferred_balance(account_id=account_id) if balance is None else balance


def listed_balance(*, kind: AccountKind) -> Decimal | None:
    """Return the balance of a system account for a list of accounts.

    None where nothing keeps it and there are too many transfers to add up in passing.
    """
    account_id = system_account_id(kind)
    balance = amount_of(KEPT, account_id)
    if balance is not None:
        return balance
    newest = Transfer.objects.values_list("pk", flat=True).first() or 0
    return transferred_balance(account_id=account_id) if newest <= MOST_SUMMED else None


def transferred_balance(*, account_id: int) -> Decimal:
    """Return Σ credits − Σ debits of an account in USDT over all its transfers."""
    return amount_of(TRANSFERRED, account_id) or ZERO


def amount_of(statement: str, account_id: int) -> Decimal | None:
    """Return the one amount that a statement about an account gives, None without a row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"account": account_id})
        row = cursor.fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A transfer as the owner of an account sees it: ``amount`` in USDT, negative when it pays.

    ``order_id`` or ``liquidation_id`` is what caused it. A reason that staff wrote is for staff and
    auditors: it is None here.
    """

    transfer_id: int
    user_id: int
    kind: str
    amount: Decimal
    order_id: int | None
    liquidation_id: int | None
    reason: str | None
    created_at: datetime


def get_account(*, user_id: int) -> Account:
    """Return the account of a user. Raises AccountNotFound."""
    account = Account.objects.filter(user_id=user_id).first()
    if account is None:
        raise AccountNotFound
    return account


def throttled_accounts(*, most: int) -> list[Account]:
    """Return accounts that the throttle of repeated execution holds back, so many at most."""
    held = Account.objects.exclude(throttled="").select_related("user").order_by("id")
    return list(held[:most])


def transfers_of(*, user_id: int) -> tuple[QuerySet[Transfer], QuerySet[Transfer]]:
    """Return what the account of a user paid and what it received; none is in both."""
    return (
        Transfer.objects.filter(debit_account=account_of(user_id)),
        Transfer.objects.filter(credit_account=account_of(user_id)),
    )


def ledger_line(transfer: Transfer, *, account: Account) -> LedgerLine:
    """Return a transfer as the owner of one of its two accounts sees it."""
    assert account.user_id is not None
    receives = transfer.credit_account_id == account.pk
    cause, _, number = transfer.reference.partition(":")
    return LedgerLine(
        transfer_id=transfer.pk,
        user_id=account.user_id,
        kind=transfer.kind,
        amount=transfer.amount if receives else -transfer.amount,
        order_id=int(number) if cause == "order" else None,
        liquidation_id=int(number) if cause == "liquidation" else None,
        reason=None if transfer.created_by_id or not transfer.reason else transfer.reason,
        created_at=transfer.created_at,
    )


def account_of(user_id: int) -> QuerySet[Account, int]:
    """Return the id of a user's account, for a statement that looks for what belongs to it.

    Such a statement finds it by index, newest first; joined to accounts, it sorts all of it.
    """
    return Account.objects.filter(user_id=user_id).values_list("pk", flat=True)[:1]


def count_active_keys() -> int:
    """Return how many API keys open the door."""
    return live_keys().count()


def count_revoked_keys() -> int:
    """Return how many API keys were revoked."""
    return ApiKey.objects.exclude(revoked_at=None).count()
