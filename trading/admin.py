"""Orders, trades and liquidations in the staff console."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from market.console import RecordAdmin, for_each, plain
from trading.models import Liquidation, Order, Trade
from trading.services import cancel_order


class TradeInline(TabularInline):
    """The trades of an order or of a liquidation."""

    model = Trade
    fields = readonly_fields = [
        "created_at",
        "instrument",
        "side",
        "size",
        "price",
        "fee",
        "realized_pnl",
    ]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    """Orders with their answers; an open one can be cancelled."""

    list_display = [
        "id",
        "created_at",
        "account",
        "symbol",
        "side",
        "type",
        "shown_size",
        "limit",
        "leverage",
        "status",
        "reject_code",
        "liquidation",
    ]
    list_filter = ["status", "reject_code", "symbol", "side", "type", "liquidation", "venue"]
    list_select_related = ["account__user"]
    search_fields = ["=id", "client_order_id", "account__user__username"]
    actions = ["cancel"]
    inlines = [TradeInline]

    @admin.display(description="Size", ordering="size")
    def shown_size(self, order: Order) -> str:
        return plain(Decimal(order.size))

    @admin.display(description="Price")
    def limit(self, order: Order) -> str:
        return plain(order.shown_price)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trading.change_order")

    @admin.action(description="Cancel the selected orders", permissions=["cancel"])
    def cancel(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        for_each(
            request,
            orders,
            lambda order: cancel_order(order_id=order.pk, user_id=None),
            "Cancelled",
        )


@admin.register(Trade)
class TradeAdmin(RecordAdmin):
    list_display = [
        "id",
        "created_at",
        "account",
        "instrument",
        "side",
        "shown_size",
        "shown_price",
        "shown_notional",
        "shown_pnl",
        "liquidation",
    ]
    list_filter = ["instrument", "side", ("liquidation", admin.EmptyFieldListFilter)]
    list_select_related = ["account__user", "instrument", "liquidation"]
    search_fields = ["=id", "=order__id", "account__user__username"]

    @admin.display(description="Size", ordering="size")
    def shown_size(self, trade: Trade) -> str:
        return plain(trade.size)

    @admin.display(description="Price", ordering="price")
    def shown_price(self, trade: Trade) -> str:
        return plain(trade.price)

    @admin.display(description="Notional, USDT", ordering="notional")
    def shown_notional(self, trade: Trade) -> str:
        return plain(trade.notional)

    @admin.display(description="Realised P&L, USDT", ordering="realized_pnl")
    def shown_pnl(self, trade: Trade) -> str:
        return plain(trade.realized_pnl)


@admin.register(Liquidation)
class LiquidationAdmin(RecordAdmin):
    list_display = [
        "id",
        "created_at",
        "account",
        "ratio",
        "equity",
        "margin",
        "insurance",
        "debt",
        "mode",
    ]
    list_filter = ["mode", "account__user__tier"]
    list_select_related = ["account__user"]
    search_fields = ["account__user__username"]
    inlines = [TradeInline]

    @admin.display(description="Ratio", ordering="margin_ratio_before")
    def ratio(self, row: Liquidation) -> str:
        return plain(row.margin_ratio_before)

    @admin.display(description="Equity, USDT", ordering="equity_before")
    def equity(self, row: Liquidation) -> str:
        return plain(row.equity_before)

    @admin.display(description="Margin, USDT", ordering="margin_before")
    def margin(self, row: Liquidation) -> str:
        return plain(row.margin_before)

    @admin.display(description="Insurance paid, USDT", ordering="insurance_paid")
    def insurance(self, row: Liquidation) -> str:
        return plain(row.insurance_paid)

    @admin.display(description="Bad debt, USDT", ordering="bad_debt")
    def debt(self, row: Liquidation) -> str:
        return plain(row.bad_debt)
