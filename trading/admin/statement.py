"""What the page of an account shows: its figures, equity curve, positions, orders and ledger."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Model, Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Account, AccountKind, Transfer
from accounts.selectors import system_balance
from market.kernel.amounts import EXACT
from market.kernel.console.figures import (
    NOTHING,
    Figure,
    aligned,
    amount,
    cents,
    fixed,
    gain,
    gained,
    grouped,
    ratio,
)
from risk.statement import PositionLine, Statement, account_statement
from trading.history.equity import CURVES, equity_curve
from trading.models import OPEN_STATUSES, Liquidation, Order, OrderStatus
from trading.selectors import orders_of

MOST_ROWS: Final = 10
DEFAULT_CURVE: Final = "7d"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title, with the list that holds all of them; ``empty`` stands for no row.

    ``refused`` is the list of those of them that were refused.
    """

    title: str
    rows: dict[str, list[Any]]
    href: str
    empty: str
    refused: str = ""


def statement_context(account: Account, *, curve: str) -> dict[str, Any]:
    """Return the template context of the statement of an account.

    ``curve`` is one of CURVES; anything else stands for the default.
    """
    transfers = transfer_table(account)
    if account.user_id is None:
        held = system_balance(kind=AccountKind(account.kind))
        balance = gained("Balance", held)
        return {"figures": [balance], "tables": [transfers]}
    statement = account_statement(user_id=account.user_id)
    tables = [
        position_table(account, statement),
        open_order_table(account),
        order_table(account),
        liquidation_table(account),
        transfers,
    ]
    shown = curve if curve in CURVES else DEFAULT_CURVE
    return {
        "figures": figures(statement),
        "tables": [table for table in tables if table.rows["rows"] or table.empty],
        "curves": list(CURVES),
        "curve": shown,
        "equity": curve_json(account, shown),
    }


def curve_json(account: Account, curve: str) -> dict[str, list[list[float]]]:
    """Return balance and equity as pairs of time in ms and value, and times of replayed candles."""
    points = equity_curve(account=account, curve=curve)
    times = [milliseconds(point.at) for point in points]
    pairs = list(zip(times, points, strict=True))
    return {
        "balance": [[at, float(point.balance)] for at, point in pairs],
        "equity": [[at, float(point.equity)] for at, point in pairs if point.equity is not None],
        "replayed": [
            [at, milliseconds(point.market_time)] for at, point in pairs if point.market_time
        ],
    }


def milliseconds(moment: datetime) -> int:
    """Return a time as JavaScript counts it."""
    return int(moment.timestamp() * 1000)


def figures(statement: Statement) -> list[Figure]:
    maintenance = statement.maintenance_margin
    return [
        amount("Balance", statement.balance),
        amount("Equity", statement.equity),
        gained("Unrealised P&L", statement.unrealized_pnl),
        amount("Exposure", statement.exposure),
        amount("Margin used", statement.margin_used),
        amount("Available margin", statement.available_margin),
        ratio("Margin ratio", statement.margin_ratio),
        *([] if maintenance is None else [amount("Maintenance margin", maintenance)]),
        Figure("Tier", statement.tier.capitalize(), unit=""),
    ]


def position_table(account: Account, statement: Statement) -> Table:
    headers = ["Instrument", "Quantity", "Entry", "Mark", "Margin", "Leverage", "Unrealised P&L"]
    headers += ["Liquidation price", "Status"]
    rows = [position_row(line) for line in statement.positions]
    href = f"{reverse('admin:risk_position_changelist')}?account__id__exact={account.pk}"
    return Table("Positions", {"headers": headers, "rows": rows}, href, "No open position.")


def position_row(line: PositionLine) -> list[str]:
    return [
        line.symbol,
        aligned(grouped(line.quantity)),
        aligned(grouped(near(line.entry_price, line.mark_price))),
        aligned(grouped(line.mark_price)),
        cents(line.margin),
        f"{line.leverage}x",
        gain(line.unrealized_pnl),
        aligned(grouped(near(line.liquidation_price, line.mark_price))),
        line.status.capitalize(),
    ]


def near(price: Decimal | None, mark: Decimal | None) -> Decimal | None:
    """Return a price with as many places as the mark has, two at least."""
    if price is None or mark is None:
        return price
    exponent = mark.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int)
    return price.quantize(Decimal(1).scaleb(min(exponent, -2)), context=EXACT)


def open_order_table(account: Account) -> Table:
    """Return the open orders, of which there may be none for most of the time."""
    orders = orders_of(user_id=account.user_id).filter(status__in=OPEN_STATUSES)
    headers = ["Order", "Symbol", "Side", "Size", "Price", "Reserved margin", "Since"]
    rows = [open_order_row(order) for order in orders[:MOST_ROWS]]
    return Table("Open orders", {"headers": headers, "rows": rows}, orders_of_account(account), "")


def open_order_row(order: Order) -> list[Any]:
    return [
        page_of(order),
        order.symbol,
        order.get_side_display(),
        aligned(grouped(order.size)),
        aligned(grouped(order.shown_price)),
        cents(order.reserved_margin),
        when(order),
    ]


def order_table(account: Account) -> Table:
    headers = ["Order", "Symbol", "Side", "Size", "Price", "Leverage", "Answer", "At"]
    rows = [order_row(order) for order in orders_of(user_id=account.user_id)[:MOST_ROWS]]
    every = orders_of_account(account)
    refused = f"{every}&{urlencode({'status__exact': OrderStatus.REJECTED})}"
    return Table("Last orders", {"headers": headers, "rows": rows}, every, "No order yet.", refused)


def order_row(order: Order) -> list[Any]:
    return [
        page_of(order),
        order.symbol,
        order.get_side_display(),
        aligned(grouped(order.size)),
        aligned(grouped(order.shown_price)),
        f"{order.leverage}x" if order.leverage else NOTHING,
        order.reject_code or order.get_status_display(),
        when(order),
    ]


def orders_of_account(account: Account) -> str:
    return f"{reverse('admin:trading_order_changelist')}?account__id__exact={account.pk}"


def liquidation_table(account: Account) -> Table:
    headers = ["Liquidation", "Ratio before", "Equity before", "Required before"]
    headers += ["Equity after", "Insurance paid", "Bad debt", "At"]
    rows = [liquidation_row(row) for row in Liquidation.objects.filter(account=account)[:MOST_ROWS]]
    href = f"{reverse('admin:trading_liquidation_changelist')}?account__id__exact={account.pk}"
    return Table("Liquidations", {"headers": headers, "rows": rows}, href, "Never closed out.")


def liquidation_row(row: Liquidation) -> list[Any]:
    before = row.margin_ratio_before
    return [
        page_of(row),
        NOTHING if before is None else aligned(fixed(before, 4), grouped(before)),
        gain(row.equity_before),
        cents(row.required_before),
        cents(row.equity_after),
        cents(row.insurance_paid),
        cents(row.bad_debt),
        when(row),
    ]


def transfer_table(account: Account) -> Table:
    transfers = Transfer.objects.filter(Q(debit_account=account) | Q(credit_account=account))
    headers = ["Transfer", "Kind", "Amount, USDT", "Reference", "Reason", "By", "At"]
    newest = transfers.select_related("created_by")[:MOST_ROWS]
    rows = [transfer_row(account, transfer) for transfer in newest]
    of_user = {"q": str(account)}
    filters = of_user if account.user_id else {"credit_account__id__exact": account.pk}
    href = f"{reverse('admin:accounts_transfer_changelist')}?{urlencode(filters)}"
    return Table("Ledger", {"headers": headers, "rows": rows}, href, "No transfer yet.")


def transfer_row(account: Account, transfer: Transfer) -> list[Any]:
    received = transfer.credit_account_id == account.pk
    return [
        page_of(transfer),
        transfer.get_kind_display(),
        gain(transfer.amount if received else -transfer.amount),
        transfer.reference or NOTHING,
        transfer.reason or NOTHING,
        transfer.created_by or NOTHING,
        when(transfer),
    ]


def page_of(row: Model) -> SafeString:
    """Return the number of a record as a link to its page."""
    options = row._meta
    href = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', href, row.pk)


def when(row: Order | Liquidation | Transfer) -> SafeString:
    return aligned(f"{row.created_at:%Y-%m-%d %H:%M:%S}")
