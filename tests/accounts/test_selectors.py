"""The insurance fund and the bad debt are what the transfers of their accounts add up to."""

from decimal import Decimal

from accounts.ledger import Posting
from accounts.models import TransferKind, User
from accounts.selectors import insurance_fund_balance, total_bad_debt
from accounts.services import fund_insurance, post


def test_both_are_zero_at_first(db: None) -> None:
    assert insurance_fund_balance() == total_bad_debt() == 0


def test_the_fund_receives_and_pays(user: User) -> None:
    fund_insurance(amount=Decimal("500.00000001"), reason="Test")
    for kind, amount in (
        (TransferKind.LIQUIDATION_FEE, Decimal(-20)),
        (TransferKind.INSURANCE_COVER, Decimal("120.5")),
        (TransferKind.BAD_DEBT, Decimal("7.25")),
    ):
        post(account=user.account, posting=Posting(kind, amount), reason="", created_by=None)
    assert insurance_fund_balance() == Decimal("399.50000001")
    assert total_bad_debt() == Decimal("7.25")
