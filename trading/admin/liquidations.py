"""Close-outs of accounts, and the sweep that finds accounts in breach."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.enums import ActionVariant

from market.kernel.console.actions import ReasonForm, list_action
from market.kernel.console.exports import ExportedAdmin
from market.kernel.console.figures import (
    cents,
    column,
    computed_column,
    counted,
    money_column,
    ratio_column,
    signed_column,
    time_column,
)
from market.kernel.console.filters import EndlessDayFilter
from market.kernel.console.pages import LargeRecordAdmin
from market.kernel.console.search import FoundByNumberOrOwner
from risk.models import LiquidationMode
from trading.admin.exports import LiquidationResource
from trading.admin.orders import TradeInline
from trading.liquidation.sweep import sweep_by_hand
from trading.models import Liquidation
from trading.steps.reporting import describe_unfinished


@admin.register(Liquidation)
class LiquidationAdmin(ExportedAdmin, FoundByNumberOrOwner, LargeRecordAdmin):
    list_display = (
        "id",
        time_column("created_at"),
        "account",
        ratio_column("margin_ratio_before", "Ratio before"),
        ratio_column("margin_ratio_after", "Ratio after"),
        signed_column("equity_before", "Equity, USDT"),
        computed_column("Required, USDT", lambda row: cents(row.required_before)),
        money_column("insurance_paid", "Fund paid, USDT"),
        money_column("bad_debt", "Bad debt, USDT"),
        column("mode", "Mode", lambda mode: LiquidationMode(mode).label.partition(",")[0]),
    )
    fieldsets = (
        (None, {"fields": (("account", "created_at"), ("mode_said", "threshold"))}),
        (
            "Before and after",
            {
                "fields": (
                    ("equity_before", "equity_after"),
                    ("margin_before", "margin_after"),
                    ("margin_ratio_before", "margin_ratio_after"),
                    ("maintenance_before", "maintenance_after"),
                )
            },
        ),
        ("Who paid", {"fields": (("insurance_paid", "bad_debt"),)}),
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("created_at", EndlessDayFilter),
    )
    list_select_related = ("account__user",)
    filled_by = (
        "Each close-out of an account with less equity than its positions require adds one; a "
        "market step or a sweep looks for such accounts."
    )
    inlines = (TradeInline,)
    change_form_after_template = "paths/close-out.html"
    resource_classes = (LiquidationResource,)
    actions_list = ("sweep",)

    @admin.display(description="Mode")
    def mode_said(self, row: Liquidation) -> str:
        return str(LiquidationMode(row.mode).label)

    def has_sweep_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trading.add_liquidation")

    @list_action(
        title="Run a liquidation sweep",
        question="Every account with less equity than its positions require is closed out at "
        "present marks.",
        permission="sweep",
        icon="cleaning_services",
        variant=ActionVariant.WARNING,
        form_class=ReasonForm,
    )
    def sweep(self, request: HttpRequest, form: forms.Form) -> str:
        sweep = sweep_by_hand(reason=form.cleaned_data["reason"])
        closed = counted(len(sweep.liquidations), "account")
        done = f"Sweep done, {closed} closed out."
        return f"{done} {describe_unfinished(sweep.unfinished)}".rstrip()
