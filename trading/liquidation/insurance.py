"""Lifts negative balances to zero: first from the insurance fund, the rest as bad debt."""

from decimal import Decimal

from accounts.locks import lock_insurance_fund
from accounts.models import TransferKind
from accounts.selectors import insurance_fund_balance
from accounts.services import fold_movements
from market.kernel.amounts import ZERO
from risk.closing import cover
from trading.booking.changes import AccountChanges
from trading.models import Liquidation, Order


class InsuranceFund:
    """The insurance fund as one transaction sees it, with what its accounts have yet to write.

    The first deficit locks and reads it; a transaction without one leaves it alone.
    """

    def __init__(self) -> None:
        self._stored: Decimal | None = None
        self._unwritten = ZERO

    def cover_deficit(
        self, changes: AccountChanges, cause: Order | Liquidation
    ) -> tuple[Decimal, Decimal]:
        """Cover what a balance cannot pay and return (insurance paid, bad debt), in USDT.

        Called once for each account of the transaction: its liquidation fees reach the fund first.
        """
        self._unwritten += liquidation_fees(changes)
        deficit = -changes.state.balance
        if deficit <= 0:
            return ZERO, ZERO
        paid, bad_debt = cover(deficit, self._available())
        self._unwritten -= paid
        changes.post(TransferKind.INSURANCE_COVER, paid, cause)
        changes.post(TransferKind.BAD_DEBT, bad_debt, cause)
        return paid, bad_debt

    def _available(self) -> Decimal:
        if self._stored is None:
            lock_insurance_fund()
            fold_movements()
            self._stored = insurance_fund_balance()
        return self._stored + self._unwritten


def liquidation_fees(changes: AccountChanges) -> Decimal:
    """Return what an account pays into the fund, in USDT."""
    fees = (t["amount"] for t in changes.transfers if t["kind"] == TransferKind.LIQUIDATION_FEE)
    return sum(fees, ZERO)
