"""Lifts a negative balance to zero: first from the insurance fund, the rest as bad debt."""

from decimal import Decimal

from accounts.locks import lock_insurance_fund
from accounts.models import TransferKind
from accounts.selectors import insurance_fund_balance
from market.amounts import ZERO
from trading.book import Book
from trading.models import Liquidation, Order


def cover_deficit(book: Book, cause: Order | Liquidation) -> tuple[Decimal, Decimal]:
    """Cover what the balance cannot pay and return (insurance paid, bad debt), in USDT."""
    deficit = -book.state.balance
    if deficit <= 0:
        return ZERO, ZERO
    lock_insurance_fund()
    paid = min(max(insurance_fund_balance() + fees_to_fund(book), ZERO), deficit)
    book.post(TransferKind.INSURANCE_COVER, paid, cause)
    book.post(TransferKind.BAD_DEBT, deficit - paid, cause)
    return paid, deficit - paid


def fees_to_fund(book: Book) -> Decimal:
    """Return the liquidation fees of the book: they reach the fund before it pays."""
    fees = (t.amount for t in book.transfers if t.kind == TransferKind.LIQUIDATION_FEE)
    return sum(fees, ZERO)
