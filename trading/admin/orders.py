"""Orders with their answers and trades; an open order can be cancelled."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from market.kernel.console.actions import ReasonForm, row_action
from market.kernel.console.bulk import bulk_action
from market.kernel.console.exports import ExportedAdmin
from market.kernel.console.figures import (
    computed_column,
    count_column,
    label_column,
    money_column,
    price_column,
    signed_column,
    size_column,
    stepped,
    tidied,
    time_column,
)
from market.kernel.console.filters import EndlessDayFilter
from market.kernel.console.pages import LargeRecordAdmin
from market.kernel.console.search import FoundByNumberOrOwner
from market.kernel.console.seeking import KEY
from market.selectors import instruments
from risk.denials import DENIALS
from trading.admin.exports import OrderResource, TradeResource
from trading.admin.order_search import orders_of_term, refused_for
from trading.models import OPEN_STATUSES, Order, OrderStatus, Trade
from trading.services import cancel_for_client

STATUS_LABELS = {
    "PENDING_NEW": "warning",
    "NEW": "info",
    "PARTIALLY_FILLED": "info",
    "FILLED": "success",
    "CANCELED": "default",
    "REJECTED": "danger",
    "EXPIRED": "default",
}
SIDE_LABELS = {"buy": "success", "sell": "danger"}


class TradeInline(TabularInline):
    """The trades of an order or of a liquidation."""

    model = Trade
    decimals = ("size", "price", "notional", "fee", "realized_pnl")
    fields = readonly_fields = ("created_at", "instrument", "side", *decimals)
    readonly_preprocess_fields = dict.fromkeys(decimals, tidied)
    extra = 0
    can_delete = False
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trade]:
        return super().get_queryset(request).select_related("instrument")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class SymbolFilter(DropdownFilter):
    """Orders by the symbol that they named, of which there is an index."""

    title = "symbol"
    parameter_name = "symbol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return ((symbol, symbol) for symbol in instruments().values_list("symbol", flat=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        symbols = dict(self.lookup_choices)
        return queryset.filter(symbol=self.value()) if self.value() in symbols else queryset


class RejectCodeFilter(DropdownFilter):
    """Refused orders by the check that refused them."""

    title = "reject code"
    parameter_name = "reject_code"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return ((code, code) for code in DENIALS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        code = self.value()
        return queryset.filter(refused_for([code])) if code in DENIALS else queryset


def shown_size(order: Order) -> str:
    """Write the size of an order; where it was refused, all digits that were asked for."""
    return stepped(order.size, step_of(order, "lot_size"))


def shown_price(order: Order) -> str:
    """Write the limit of an order, or what it was filled at, likewise."""
    return stepped(order.shown_price, step_of(order, "tick_size"))


def step_of(order: Order, name: str) -> Decimal | None:
    """Return a step of an order's instrument, None where the order need not be a multiple of it."""
    if order.instrument is None or order.status == OrderStatus.REJECTED:
        return None
    return cast(Decimal, getattr(order.instrument, name))


PLACED_AT, STATUS = time_column("created_at"), label_column("status", STATUS_LABELS)


@admin.register(Order)
class OrderAdmin(ExportedAdmin, LargeRecordAdmin):
    list_display = (
        "id",
        PLACED_AT,
        "account",
        "symbol",
        label_column("side", SIDE_LABELS),
        "type",
        computed_column("Size", shown_size),
        computed_column("Price", shown_price),
        count_column("leverage", unit="x"),
        STATUS,
        "reject_code",
    )
    seeks_by = {
        "id": KEY,
        PLACED_AT: KEY,
        "account": "account_id",
        "symbol": "symbol",
        STATUS: "status",
    }
    list_filter = (
        ("status", ChoicesDropdownFilter),
        RejectCodeFilter,
        SymbolFilter,
        ("side", ChoicesDropdownFilter),
        ("type", ChoicesDropdownFilter),
        "liquidation",
        ("venue", ChoicesDropdownFilter),
        ("account", AutocompleteSelectFilter),
        ("created_at", EndlessDayFilter),
    )
    list_select_related = ("account__user", "instrument")
    filled_by = (
        "Every order of the API and of agents stands here, refused ones with the reason: run "
        "python manage.py seed_demo and place one with POST /orders (see the API docs)."
    )
    fieldsets = (
        (
            "Asked",
            {
                "fields": (
                    ("account", "symbol", "venue"),
                    ("side", "type", "size"),
                    ("price", "leverage", "reduce_only"),
                    ("client_order_id", "liquidation", "created_at"),
                )
            },
        ),
        (
            "Answered",
            {
                "fields": (
                    ("status", "accepted_as", "updated_at"),
                    ("answered_filled_size", "answered_average_price"),
                    ("reject_code", "reject_detail"),
                    ("filled_size", "average_price", "triggered_at"),
                    ("required_margin", "reserved_margin", "reserved_notional"),
                    ("user_exposure_after", "global_exposure_after"),
                )
            },
        ),
    )
    actions = ("cancel_selected",)
    actions_detail = ("cancel",)
    inlines = (TradeInline,)
    search_fields = ("id",)
    search_help_text = "Number, client order ID, user, symbol, status or reject code"
    resource_classes = (OrderResource,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        return orders_of_term(queryset, search_term), False

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("trading.change_order")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer to cancel an open order."""
        order = self.get_object(request, object_id)
        is_open = order is not None and order.status in OPEN_STATUSES
        return super().get_actions_detail(request, object_id) if is_open else []

    @row_action(
        title="Cancel order",
        question="What it reserves is given back; what it filled stays filled.",
        permission="cancel",
        icon="cancel",
        variant=ActionVariant.DANGER,
        form_class=ReasonForm,
    )
    def cancel(self, request: HttpRequest, form: forms.Form, order: Order) -> str:
        cancel_for_client(order_id=order.pk, reason=form.cleaned_data["reason"])
        return f"Order {order.pk} is canceled."

    @bulk_action(
        title="Cancel the selected orders",
        question="What they reserve is given back; what they filled stays filled.",
        permission="cancel",
        done="canceled",
        what="order",
    )
    def cancel_selected(self, request: HttpRequest, order: Order, reason: str) -> None:
        cancel_for_client(order_id=order.pk, reason=reason)


@admin.register(Trade)
class TradeAdmin(ExportedAdmin, FoundByNumberOrOwner, LargeRecordAdmin):
    list_display = (
        "id",
        time_column("created_at"),
        "account",
        "instrument",
        label_column("side", SIDE_LABELS),
        size_column("size"),
        price_column("price"),
        money_column("notional", "Notional, USDT"),
        money_column("fee", "Fee, USDT"),
        signed_column("realized_pnl", "Realised P&L, USDT"),
        "order_id",
        "liquidation_id",
    )
    list_filter = (
        ("instrument", RelatedDropdownFilter),
        ("side", ChoicesDropdownFilter),
        ("liquidation", admin.EmptyFieldListFilter),
        ("account", AutocompleteSelectFilter),
        ("created_at", EndlessDayFilter),
    )
    seeks_by = {"id": KEY, "account": "account_id", "instrument": "instrument_id"}
    list_select_related = ("account__user", "instrument")
    number_fields = ("pk", "order_id")
    filled_by = "Each fill of an order or of a close-out adds one: place an order that fills."
    search_help_text = "Number of a trade or an order, or beginning of a username"
    resource_classes = (TradeResource,)
