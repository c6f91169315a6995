"""The ledger's rules: which transfers there are and between which accounts each kind moves money.

Double entry cannot be unbalanced here: a transfer has one debit account, one credit account and
one amount. The database adds it to the balance of a user's account
(``accounts/migrations/0002_guards.sql``), so that no code path can move a balance without a
transfer.
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from accounts.models import Account, AccountKind, TransferKind

#: The system account on the other side of each kind of transfer of a user's account.
COUNTERPARTY: Final = {
    TransferKind.DEPOSIT: AccountKind.EXTERNAL,
    TransferKind.WITHDRAWAL: AccountKind.EXTERNAL,
    TransferKind.ADJUSTMENT: AccountKind.EXTERNAL,
    TransferKind.REALIZED_PNL: AccountKind.HOUSE,
    TransferKind.FEE: AccountKind.FEES,
    TransferKind.LIQUIDATION_FEE: AccountKind.INSURANCE,
    TransferKind.INSURANCE_COVER: AccountKind.INSURANCE,
    TransferKind.BAD_DEBT: AccountKind.BAD_DEBT,
}


@dataclass(frozen=True, slots=True)
class Posting:
    """A transfer seen from one account: ``amount`` in USDT is positive when it receives."""

    kind: TransferKind
    amount: Decimal
    reference: str = ""


@cache
def system_account_id(kind: AccountKind) -> int:
    """Return the id of a system account; the row is created by migration and never changes."""
    return Account.objects.values_list("id", flat=True).get(kind=kind)


def sides(account_id: int, posting: Posting) -> tuple[int, int]:
    """Return (debit account id, credit account id) of a posting of ``account_id``."""
    other = system_account_id(COUNTERPARTY[posting.kind])
    return (other, account_id) if posting.amount > 0 else (account_id, other)
