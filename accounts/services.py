"""Writes of the accounts app: users, accounts and money."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.access import must_change, must_post_transfers
from accounts.errors import AccountExists, InsufficientBalance, InvalidAmount, ReasonRequired
from accounts.ledger import Posting, sides, system_account_id
from accounts.locks import try_lock_insurance_fund
from accounts.models import (
    Account,
    AccountKind,
    AccountPolicy,
    SystemMovement,
    Tier,
    Transfer,
    TransferKind,
    User,
)
from market.kernel.amounts import UNIT, is_multiple
from market.kernel.versions import lock_row

#: One amount stays below this, in USDT, so that sums of amounts fit their columns.
AMOUNT_BOUND = Decimal("1000000000000")


@transaction.atomic
def create_user(
    *,
    username: str,
    tier: Tier = Tier.BEGINNER,
    password: str | None = None,
    opening_balance: Decimal | None = None,
    created_by: User | None = None,
) -> User:
    """Create a trading user with an account; without a password no one can log in as them.

    The account opens as ``open_account`` says.
    """
    user = User.objects.create_user(username=username, password=password, tier=tier)
    open_account(user=user, opening_balance=opening_balance, created_by=created_by)
    return user


@transaction.atomic
def open_account(
    *, user: User, opening_balance: Decimal | None = None, created_by: User | None = None
) -> Account:
    """Open the account of ``user`` and deposit its opening balance, by default the policy's.

    Another balance than the policy's is for staff who may post transfers. Raises Forbidden, and
    AccountExists where the user has an account.
    """
    if opening_balance is not None:
        must_post_transfers(created_by)
    account, created = Account.objects.get_or_create(user=user)
    if not created:
        raise AccountExists
    if opening_balance is None:
        opening_balance = AccountPolicy.objects.get(id=1).opening_balance
    if opening_balance:
        deposit(
            account=account,
            amount=opening_balance,
            reason="Opening balance",
            created_by=created_by,
        )
    return account


def deposit(
    *, account: Account, amount: Decimal, reason: str = "", created_by: User | None = None
) -> Transfer:
    """Move ``amount`` USDT from outside into ``account``. Raises InvalidAmount."""
    posting = Posting(TransferKind.DEPOSIT, checked_amount(amount))
    return post(account=account, posting=posting, reason=reason, created_by=created_by)


def withdraw(
    *, account: Account, amount: Decimal, reason: str = "", created_by: User | None = None
) -> Transfer:
    """Move ``amount`` USDT out of ``account``. Raises InvalidAmount, InsufficientBalance."""
    posting = Posting(TransferKind.WITHDRAWAL, -checked_amount(amount))
    return post(account=account, posting=posting, reason=reason, created_by=created_by)


def adjust_balance(
    *, account: Account, amount: Decimal, reason: str, created_by: User, reference: str = ""
) -> Transfer:
    """Post a staff adjustment of ``amount`` USDT, negative to take.

    ``reference`` names what it is about, as kind:number. Raises InvalidAmount,
    InsufficientBalance, and ReasonRequired for a blank reason.
    """
    if not reason.strip():
        raise ReasonRequired
    checked_amount(abs(amount))
    posting = Posting(TransferKind.ADJUSTMENT, amount, reference)
    return post(account=account, posting=posting, reason=reason.strip(), created_by=created_by)


def fund_insurance(*, amount: Decimal, reason: str, created_by: User | None = None) -> Transfer:
    """Move ``amount`` USDT from outside into the insurance fund. Raises InvalidAmount."""
    return Transfer.objects.create(
        kind=TransferKind.DEPOSIT,
        debit_account_id=system_account_id(AccountKind.EXTERNAL),
        credit_account_id=system_account_id(AccountKind.INSURANCE),
        amount=checked_amount(amount),
        reason=reason,
        created_by=created_by,
    )


def fold_movements() -> None:
    """Fold what was moved into the checkpoints of system accounts, so that reading stays cheap.

    The caller holds the insurance fund's lock, so that no two fold at once. The database adds to a
    checkpoint what is deleted here; what others have not committed yet stays for the next time.
    """
    SystemMovement.objects.all().delete()


@transaction.atomic
def fold_free_movements() -> None:
    """Fold movements in unless the insurance fund is in use: who draws on it folds them too."""
    if try_lock_insurance_fund():
        fold_movements()


def checked_amount(amount: Decimal) -> Decimal:
    """Return ``amount`` if the ledger can hold it, else raise InvalidAmount."""
    if not amount.is_finite() or not 0 < amount < AMOUNT_BOUND or not is_multiple(amount, UNIT):
        raise InvalidAmount
    return amount


@transaction.atomic
def post(*, account: Account, posting: Posting, reason: str, created_by: User | None) -> Transfer:
    """Write one transfer of a user's account under its lock and refresh ``account.balance``."""
    balance = (
        Account.objects.select_for_update(no_key=True)
        .values_list("balance", flat=True)
        .get(pk=account.pk, kind=AccountKind.USER)
    )
    if balance + posting.amount < 0:
        raise InsufficientBalance(balance=str(balance))
    debit, credit = sides(account.pk, posting)
    transfer = Transfer.objects.create(
        kind=posting.kind,
        debit_account_id=debit,
        credit_account_id=credit,
        amount=abs(posting.amount),
        reference=posting.reference,
        reason=reason,
        created_by=created_by,
        created_at=timezone.now(),
    )
    account.refresh_from_db(fields=["balance"])
    return transfer


@transaction.atomic
def change_tier(
    *, user: User, tier: Tier, by: User | None = None, version: str | None = None
) -> None:
    """Move ``user`` to ``tier``; the history keeps who did it. Open positions stay as they are.

    Raises Forbidden where ``by`` may not change this user, and StaleVersion as ``lock_row`` does.
    """
    lock_row(user, version=version)
    must_change(by, user)
    user.tier = tier
    user.save(update_fields=["tier"])


@transaction.atomic
def change_user(
    *,
    user: User,
    changes: Mapping[str, Any],
    by: User | None = None,
    version: str | None = None,
) -> None:
    """Change fields of a user other than the tier, with history.

    A user who is not active any more is locked out at once, API keys and tokens included. Raises
    Forbidden where ``by`` may not change this user, and StaleVersion as ``lock_row`` does.
    """
    lock_row(user, version=version)
    must_change(by, user)
    if not changes:
        return
    for field, value in changes.items():
        setattr(user, field, value)
    user.save(update_fields=list(changes))


@transaction.atomic
def change_account_policy(
    *,
    policy: AccountPolicy,
    changes: Mapping[str, Any],
    by: User | None = None,
    version: str | None = None,
) -> None:
    """Change what new accounts open with, and which calls staff alone may make, with history.

    The former moves money, so it is for staff who may post transfers. Raises Forbidden, and
    StaleVersion as ``lock_row`` does.
    """
    if "opening_balance" in changes:
        must_post_transfers(by)
    lock_row(policy, version=version)
    if not changes:
        return
    for field, value in changes.items():
        setattr(policy, field, value)
    policy.save(update_fields=list(changes))


def suspend_account(*, account: Account) -> None:
    """Refuse further orders of ``account``; it can still read and cancel."""
    Account.objects.filter(pk=account.pk, kind=AccountKind.USER).update(suspended=True)


def resume_account(*, account: Account) -> None:
    """Accept orders of ``account`` again."""
    Account.objects.filter(pk=account.pk, kind=AccountKind.USER).update(suspended=False)
