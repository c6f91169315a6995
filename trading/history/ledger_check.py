"""Recomputes balances, positions, reservations and exposure from history, and lists differences.

Independent of the running totals: balances from transfers, positions by replaying trades through
the arithmetic, reservations and exposure from the rows that they total up.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db.models import Case, F, Q, QuerySet, Sum, When

from accounts.ledger import system_account_id
from accounts.models import Account, AccountKind, SystemBalance, Transfer, TransferKind
from accounts.selectors import system_balance, transferred_balance
from market.kernel.amounts import ZERO
from market.kernel.snapshot import consistent_read
from risk.bounds import unsafe_bounds
from risk.fills import Holding, apply_fill
from risk.models import GlobalExposure, InstrumentExposure, Reservation
from risk.selectors import open_positions
from trading.models import OPEN_STATUSES, Order, Side, Trade


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that history does not bear out."""

    what: str
    stored: object
    recomputed: object


def ledger_differences() -> list[Difference]:
    """Return every difference, all found at one moment of the database; none in a sound ledger."""
    with consistent_read():
        return [difference for check in CHECKS for difference in check()]


def balances() -> Iterator[Difference]:
    """Balance of each account = Σ transfers received − Σ transfers paid."""
    moved: dict[int, Decimal] = {}
    for side, sign in (("credit_account_id", 1), ("debit_account_id", -1)):
        sums = Transfer.objects.order_by().values_list(side).annotate(total=Sum("amount"))
        for account_id, total in sums:
            moved[account_id] = moved.get(account_id, ZERO) + sign * total
    stored = dict(Account.objects.filter(kind=AccountKind.USER).values_list("id", "balance"))
    yield from compare("balance of account {}", stored, {key: moved.get(key) for key in stored})


def trade_money() -> Iterator[Difference]:
    """Realised P&L and fees of an account's trades = what the ledger moved for them."""
    for kind, amount in (
        (TransferKind.REALIZED_PNL, F("realized_pnl")),
        (TransferKind.FEE, -F("fee")),
    ):
        traded = Trade.objects.order_by().values_list("account_id").annotate(total=Sum(amount))
        received = Q(debit_account__kind__in=SYSTEM_KINDS)
        account = Case(When(received, then="credit_account_id"), default="debit_account_id")
        signed = Case(When(received, then=F("amount")), default=-F("amount"))
        moved = (
            Transfer.objects.filter(kind=kind)
            .order_by()
            .annotate(user_account=account)
            .values_list("user_account")
            .annotate(total=Sum(signed))
        )
        yield from compare(f"{kind.label} of account {{}}", dict(moved), dict(traded))


def positions() -> Iterator[Difference]:
    """Quantity, cost and margin of each open position = its trades, applied one by one."""
    stored = {
        (row.account_id, row.instrument_id): Holding(row.quantity, row.cost, row.margin)
        for row in open_positions().iterator()
    }
    yield from compare("position of account {0[0]} in instrument {0[1]}", stored, replayed())


def replayed() -> dict[tuple[int, int], Holding]:
    """Return the open holdings by (account, instrument) that the trades add up to."""
    trades = Trade.objects.order_by("account_id", "instrument_id", "id").iterator()
    holdings = {}
    for key, fills in groupby(trades, key=lambda trade: (trade.account_id, trade.instrument_id)):
        holding = Holding()
        for trade in fills:
            size = trade.size if trade.side == Side.BUY else -trade.size
            holding = apply_fill(holding, size, trade.price, trade.leverage).holding
        if holding.quantity:
            holdings[key] = holding
    return holdings


def reservations() -> Iterator[Difference]:
    """What an account reserves = what its open orders reserve."""
    for field in ("reserved_margin", "reserved_notional"):
        stored = Reservation.objects.values_list("account_id", field)
        orders = open_orders().values_list("account_id").annotate(total=Sum(field))
        yield from compare(f"{field} of account {{}}", dict(stored), dict(orders))


def exposures() -> Iterator[Difference]:
    """Open interest = Σ open positions; order notional = Σ open orders; the total = their value."""
    held = {
        "long_quantity": open_positions().filter(quantity__gt=0).values_list("instrument_id"),
        "short_quantity": open_positions().filter(quantity__lt=0).values_list("instrument_id"),
        "order_notional": open_orders().values_list("instrument_id"),
    }
    amounts = {
        "long_quantity": Sum("quantity"),
        "short_quantity": Sum(-F("quantity")),
        "order_notional": Sum("reserved_notional"),
    }
    for field, rows in held.items():
        stored = InstrumentExposure.objects.values_list("instrument_id", field)
        totals = rows.order_by().annotate(total=amounts[field])
        yield from compare(f"{field} of instrument {{}}", dict(stored), dict(totals))
    yield from compare("global exposure", {"": stored_total()}, {"": valued_total()})


def marks() -> Iterator[Difference]:
    """The mark that exposure is valued at = the instrument's mark price."""
    rows = InstrumentExposure.objects.values_list(
        "instrument_id", "mark_price", "instrument__mark_price"
    )
    for instrument_id, valued_at, mark_price in rows:
        if valued_at != mark_price:
            yield Difference(f"mark of instrument {instrument_id}", valued_at, mark_price)


def bounds() -> Iterator[Difference]:
    """No account's bound lets a breach go unseen."""
    for account_id, stored, exact in unsafe_bounds():
        yield Difference(f"breach bound of account {account_id}", stored, exact)


def system_balances() -> Iterator[Difference]:
    """What is kept of system accounts, checkpoint and movements = Σ of their transfers."""
    for kept in SystemBalance.objects.select_related("account"):
        kind = AccountKind(kept.account.kind)
        stored, summed = system_balance(kind=kind), transferred_balance(account_id=kept.pk)
        yield from compare("balance of the {}", {kind.label: stored}, {kind.label: summed})


def insurance() -> Iterator[Difference]:
    """The insurance fund never pays more than it holds."""
    balance = transferred_balance(account_id=system_account_id(AccountKind.INSURANCE))
    if balance < 0:
        yield Difference("insurance fund", balance, "at least 0")


CHECKS: tuple[Callable[[], Iterable[Difference]], ...] = (
    balances,
    trade_money,
    positions,
    reservations,
    exposures,
    marks,
    bounds,
    system_balances,
    insurance,
)

SYSTEM_KINDS = [kind for kind in AccountKind.values if kind != AccountKind.USER]


def compare(
    what: str, stored: Mapping[Any, Any], recomputed: Mapping[Any, Any]
) -> Iterator[Difference]:
    """Yield the keys whose values differ; a missing value counts as nothing."""
    for key in sorted({*stored, *recomputed}):
        left, right = stored.get(key), recomputed.get(key)
        if (left or ZERO) != (right or ZERO):
            yield Difference(what.format(key), left, right)


def open_orders() -> QuerySet[Order]:
    return Order.objects.filter(status__in=OPEN_STATUSES).order_by()


def stored_total() -> Decimal:
    return GlobalExposure.objects.get(id=1).total


def valued_total() -> Decimal:
    """Return the exposure of all instruments at the marks that they are valued at."""
    value = (F("long_quantity") + F("short_quantity")) * F("mark_price") + F("order_notional")
    return InstrumentExposure.objects.aggregate(total=Sum(value))["total"] or ZERO
