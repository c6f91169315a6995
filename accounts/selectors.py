"""Reads of the accounts app: what the insurance fund holds, what stayed unpaid, which keys live."""

from decimal import Decimal

from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from accounts.keys import live_keys
from accounts.ledger import system_account_id
from accounts.models import Account, AccountKind, ApiKey, SystemBalance, Transfer
from market.kernel.amounts import ZERO


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
    unfolded = Coalesce(Sum("movements__amount"), ZERO)
    kept = SystemBalance.objects.filter(pk=account_id).annotate(now=F("balance") + unfolded)
    balance = kept.values_list("now", flat=True).first()
    return transferred_balance(account_id=account_id) if balance is None else balance


def transferred_balance(*, account_id: int) -> Decimal:
    """Return Σ credits − Σ debits of an account in USDT over all its transfers."""
    received = Case(When(credit_account_id=account_id, then=F("amount")), default=-F("amount"))
    transfers = Transfer.objects.filter(
        Q(credit_account_id=account_id) | Q(debit_account_id=account_id)
    )
    return transfers.aggregate(balance=Sum(received))["balance"] or ZERO


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
