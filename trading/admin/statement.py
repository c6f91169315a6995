"""What the page of an account shows: its figures, open positions and orders, last transfers."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from accounts.models import Account, AccountKind, Transfer
from accounts.selectors import system_balance
from market.console.figures import NOTHING, aligned, money, plain, signed
from risk.statement import PositionLine, Statement, account_statement
from trading.models import OPEN_STATUSES, Order
from trading.selectors import orders_of

MOST_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of an account."""

    title: str
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title, with the list that holds all of them."""

    title: str
    rows: dict[str, list[Any]]
    href: str


def statement_context(account: Account) -> dict[str, Any]:
    """Return the template context of the statement of an account."""
    transfers = transfer_table(account)
    if account.user_id is None:
        balance = Figure("Balance, USDT", signed(system_balance(kind=AccountKind(account.kind))))
        return {"figures": [balance], "tables": [transfers]}
    statement = account_statement(user_id=account.user_id)
    tables = [position_table(account, statement), order_table(account), transfers]
    return {"figures": figures(statement), "tables": tables}


def figures(statement: Statement) -> list[Figure]:
    return [
        Figure("Balance, USDT", aligned(money(statement.balance))),
        Figure("Equity", aligned(money(statement.equity))),
        Figure("Unrealised P&L", signed(statement.unrealized_pnl)),
        Figure("Margin used", aligned(money(statement.margin_used))),
        Figure("Available margin", aligned(money(statement.available_margin))),
        Figure("Margin ratio", aligned(plain(statement.margin_ratio))),
        Figure("Exposure", aligned(money(statement.exposure))),
    ]


def position_table(account: Account, statement: Statement) -> Table:
    headers = ["Instrument", "Quantity", "Entry", "Mark", "Margin", "Leverage", "Unrealised P&L"]
    headers += ["Liquidation price", "Status"]
    rows = [position_row(line) for line in statement.positions]
    href = f"{reverse('admin:risk_position_changelist')}?account__id__exact={account.pk}"
    return Table("Positions", {"headers": headers, "rows": rows}, href)


def position_row(line: PositionLine) -> list[str]:
    return [
        line.symbol,
        aligned(plain(line.quantity)),
        aligned(plain(line.entry_price)),
        aligned(plain(line.mark_price)),
        aligned(money(line.margin)),
        f"{line.leverage}x",
        signed(line.unrealized_pnl),
        aligned(plain(line.liquidation_price)),
        line.status,
    ]


def order_table(account: Account) -> Table:
    orders = orders_of(user_id=account.user_id).filter(status__in=OPEN_STATUSES)
    headers = ["Order", "Symbol", "Side", "Size", "Price", "Reserved margin", "Since"]
    rows = [order_row(order) for order in orders[:MOST_ROWS]]
    href = f"{reverse('admin:trading_order_changelist')}?account__id__exact={account.pk}"
    return Table("Open orders", {"headers": headers, "rows": rows}, href)


def order_row(order: Order) -> list[Any]:
    return [
        order.pk,
        order.symbol,
        order.get_side_display(),
        aligned(plain(order.size)),
        aligned(plain(order.shown_price)),
        aligned(money(order.reserved_margin)),
        f"{order.created_at:%Y-%m-%d %H:%M:%S}",
    ]


def transfer_table(account: Account) -> Table:
    transfers = Transfer.objects.filter(Q(debit_account=account) | Q(credit_account=account))
    headers = ["Transfer", "Kind", "Amount, USDT", "Reference", "Reason", "By", "At"]
    newest = transfers.select_related("created_by")[:MOST_ROWS]
    rows = [transfer_row(account, transfer) for transfer in newest]
    of_user = {"q": str(account)}
    filters = of_user if account.user_id else {"credit_account__id__exact": account.pk}
    href = f"{reverse('admin:accounts_transfer_changelist')}?{urlencode(filters)}"
    return Table("Last transfers", {"headers": headers, "rows": rows}, href)


def transfer_row(account: Account, transfer: Transfer) -> list[Any]:
    received = transfer.credit_account_id == account.pk
    return [
        transfer.pk,
        transfer.get_kind_display(),
        signed(transfer.amount if received else -transfer.amount),
        transfer.reference or NOTHING,
        transfer.reason or NOTHING,
        transfer.created_by or NOTHING,
        f"{transfer.created_at:%Y-%m-%d %H:%M:%S}",
    ]
