"""Writes of the accounts app: users, accounts and money."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.access import must_change, must_post_transfers
from accounts.errors import (
    AccountExists,
    InsufficientBalance,
    InvalidAmount,
)
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
from market.kernel.errors import Forbidden
from market.kernel.reasons import checked_reason, stated
from market.kernel.states import TradingState
from market.kernel.versions import lock_row, write_configuration

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
    reason: str = "",
) -> User:
    """Create a trading user with an account; without a password no one can log in as them.

    The account opens as ``open_account`` says, or with another balance than the policy's, for staff
    who may post transfers. Staff say why; the history keeps it. Raises Forbidden, ReasonRequired,
    ReasonTooLong.
    """
    user = User(username=User.normalize_username(username), tier=tier)
    user.set_password(password)
    user._change_reason = reason_of(created_by, reason)  # type: ignore[attr-defined]
    user.save()
    if opening_balance is not None:
        must_post_transfers(created_by)
    # Nobody else knows the user yet, so that there is no account to look for.
    deposit_first(Account.objects.create(user=user), opening_balance, created_by)
    return user


@transaction.atomic
def open_account(*, user: User, created_by: User | None = None) -> Account:
    """Open the account of ``user`` and deposit the policy's opening balance.

    Raises AccountExists where the user has an account.
    """
    account, created = Account.objects.get_or_create(user=user)
    if not created:
        raise AccountExists
    deposit_first(account, None, created_by)
    return account


def deposit_first(
    account: Account, opening_balance: Decimal | None, created_by: User | None
) -> None:
    """Deposit what a new account opens with, by default the policy's opening balance.

    Its caller's transaction made the account, so that there is nobody to lock it against.
    """
    if opening_balance is None:
        opening_balance = AccountPolicy.objects.get(id=1).opening_balance
    if opening_balance:
        posting = Posting(TransferKind.DEPOSIT, checked_amount(opening_balance))
        write(account, posting, "Opening balance", created_by)


def deposit(
    *, account: Account, amount: Decimal, reason: str = "", created_by: User | None = None
) -> Transfer:
    """Move ``amount`` USDT from outside into ``account``; staff say why.

    Raises InvalidAmount, ReasonRequired, ReasonTooLong.
    """
    posting = Posting(TransferKind.DEPOSIT, checked_amount(amount))
    return post(account=account, posting=posting, reason=reason, created_by=created_by)


def withdraw(
    *, account: Account, amount: Decimal, reason: str = "", created_by: User | None = None
) -> Transfer:
    """Move ``amount`` USDT out of ``account``; staff say why.

    Raises InvalidAmount, InsufficientBalance, ReasonRequired, ReasonTooLong.
    """
    posting = Posting(TransferKind.WITHDRAWAL, -checked_amount(amount))
    return post(account=account, posting=posting, reason=reason, created_by=created_by)


def adjust_balance(
    *, account: Account, amount: Decimal, reason: str, created_by: User, reference: str = ""
) -> Transfer:
    """Post a staff adjustment of ``amount`` USDT, negative to take.

    ``reference`` names what it is about, as kind:number. Raises InvalidAmount,
    InsufficientBalance, ReasonRequired, ReasonTooLong.
    """
    checked_amount(abs(amount))
    posting = Posting(TransferKind.ADJUSTMENT, amount, reference)
    return post(account=account, posting=posting, reason=reason, created_by=created_by)


def fund_insurance(*, amount: Decimal, reason: str, created_by: User | None = None) -> Transfer:
    """Move ``amount`` USDT from outside into the insurance fund.

    Raises InvalidAmount, ReasonRequired, ReasonTooLong.
    """
    return Transfer.objects.create(
        kind=TransferKind.DEPOSIT,
        debit_account_id=system_account_id(AccountKind.EXTERNAL),
        credit_account_id=system_account_id(AccountKind.INSURANCE),
        amount=checked_amount(amount),
        reason=checked_reason(reason),
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


def reason_of(member: User | None, reason: str) -> str:
    """Return a reason, which a member of staff gives and the exchange itself may leave out.

    Raises ReasonRequired, ReasonTooLong.
    """
    return reason if member is None else checked_reason(reason)


def checked_amount(amount: Decimal) -> Decimal:
    """Return ``amount`` if the ledger can hold it, else raise InvalidAmount."""
    if not amount.is_finite() or not 0 < amount < AMOUNT_BOUND or not is_multiple(amount, UNIT):
        raise InvalidAmount
    return amount


@transaction.atomic
def post(*, account: Account, posting: Posting, reason: str, created_by: User | None) -> Transfer:
    """Write one transfer of a user's account under its lock and refresh ``account.balance``."""
    said = reason_of(created_by, reason)
    account.balance = (
        Account.objects.select_for_update(no_key=True)
        .values_list("balance", flat=True)
        .get(pk=account.pk, kind=AccountKind.USER)
    )
    if account.balance + posting.amount < 0:
        raise InsufficientBalance(balance=str(account.balance))
    return write(account, posting, said, created_by)


def write(account: Account, posting: Posting, reason: str, created_by: User | None) -> Transfer:
    """Write one transfer of an account that nobody else moves meanwhile.

    The database adds it to the balance; ``account.balance`` follows.
    """
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
    account.balance = (account.balance + posting.amount).quantize(UNIT)
    return transfer


def change_tier(
    *, user: User, tier: Tier, reason: str, by: User | None = None, version: str | None = None
) -> None:
    """Move ``user`` to ``tier``; the history keeps who did it and why. Open positions stay.

    Raises as ``change_user`` does.
    """
    change_user(user=user, changes={"tier": tier}, reason=reason, by=by, version=version)


@transaction.atomic
def change_user(
    *,
    user: User,
    changes: Mapping[str, Any],
    reason: str,
    by: User | None = None,
    version: str | None = None,
) -> None:
    """Change fields of a user, with history; what is as asked for already stays as it is.

    A user who is not active any more is locked out at once, API keys and tokens included. Raises
    Forbidden where ``by`` may not change this user, ReasonRequired, ReasonTooLong, and StaleVersion
    as ``lock_row`` does.
    """
    said = checked_reason(reason)
    lock_row(user, version=version)
    must_change(by, user)
    write_configuration(user, changes, said)


@transaction.atomic
def change_password(
    *, user: User, password: str | None, reason: str, by: User | None = None
) -> None:
    """Give a user another password, for staff; with None nobody can log in as them any more.

    It ends their sessions. No history keeps a password: the door notes the reason in the staff log.
    Raises Forbidden where ``by`` may not change this user, ReasonRequired, ReasonTooLong.
    """
    checked_reason(reason)
    lock_row(user)
    must_change(by, user)
    user.set_password(password)
    user.save(update_fields=["password"])


def suspend_account(*, account: Account, reason: str, by: User | None = None) -> None:
    """Refuse further orders of ``account``; it can still read and cancel.

    The audit trail keeps who did it and why. Raises ReasonRequired, ReasonTooLong, and Forbidden
    for a system account.
    """
    set_account_state(account=account, state=TradingState.HALTED, reason=reason, by=by)


def resume_account(*, account: Account, reason: str, by: User | None = None) -> None:
    """Accept orders of ``account`` again. Otherwise as ``suspend_account``."""
    set_account_state(account=account, state=TradingState.ACTIVE, reason=reason, by=by)


def set_account_state(
    *, account: Account, state: TradingState, reason: str, by: User | None = None
) -> None:
    """Say what orders of an account may do; its owner can always read and cancel.

    HALTED accepts none, and resting ones may only reduce; REDUCING accepts what reduces a position.
    What the throttle of repeated execution held back is so by staff from then on. The audit trail
    keeps who did it and why. Raises ReasonRequired, ReasonTooLong, and Forbidden for a system
    account.
    """
    if account.kind != AccountKind.USER:
        raise Forbidden("A system account places no orders.")
    with stated(reason, by=by):
        rows = Account.objects.filter(pk=account.pk, kind=AccountKind.USER)
        rows.update(
            suspended=state == TradingState.HALTED,
            reducing=state == TradingState.REDUCING,
            throttled="",
        )
