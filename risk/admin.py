"""Policy, positions and exposure in the staff console."""

from django.contrib import admin
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from market.console import KeptAdmin, PolicyAdmin, RecordAdmin, plain
from risk.models import (
    GlobalExposure,
    InstrumentExposure,
    LeverageLimit,
    MarginAccount,
    Position,
    RiskPolicy,
)
from risk.statement import entry_price


@admin.register(RiskPolicy)
class RiskPolicyAdmin(SimpleHistoryAdmin, PolicyAdmin):
    """Halt trading and set the limits; every change stands in the history."""

    list_display = [
        "__str__",
        "trading_halted",
        "global_exposure_threshold",
        "user_exposure_limit",
        "liquidation_threshold",
        "liquidation_mode",
    ]
    fieldsets = [
        ("Trading", {"fields": ["trading_halted", "max_mark_age_seconds"]}),
        ("Exposure", {"fields": ["user_exposure_limit", "global_exposure_threshold"]}),
        (
            "Liquidation",
            {"fields": ["liquidation_threshold", "liquidation_mode", "liquidation_fee_rate"]},
        ),
    ]


@admin.register(LeverageLimit)
class LeverageLimitAdmin(SimpleHistoryAdmin, KeptAdmin):
    list_display = ["tier", "max_leverage"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: LeverageLimit | None = None
    ) -> list[str]:
        return ["tier"] if obj else []


@admin.register(Position)
class PositionAdmin(RecordAdmin):
    list_display = [
        "id",
        "account",
        "instrument",
        "status",
        "shown_quantity",
        "entry",
        "mark",
        "shown_margin",
        "leverage",
        "shown_realized_pnl",
        "opened_at",
    ]
    list_filter = ["status", "instrument", "account__user__tier"]
    list_select_related = ["account__user", "instrument"]
    search_fields = ["account__user__username"]

    @admin.display(description="Quantity", ordering="quantity")
    def shown_quantity(self, row: Position) -> str:
        return plain(row.quantity)

    @admin.display(description="Entry price")
    def entry(self, row: Position) -> str:
        return plain(entry_price(row))

    @admin.display(description="Mark price")
    def mark(self, row: Position) -> str:
        return plain(row.instrument.mark_price)

    @admin.display(description="Margin, USDT", ordering="margin")
    def shown_margin(self, row: Position) -> str:
        return plain(row.margin)

    @admin.display(description="Realised P&L, USDT", ordering="realized_pnl")
    def shown_realized_pnl(self, row: Position) -> str:
        return plain(row.realized_pnl)


@admin.register(MarginAccount)
class MarginAccountAdmin(RecordAdmin):
    list_display = ["account", "reserved_margin", "reserved_notional"]
    list_select_related = ["account__user"]
    search_fields = ["account__user__username"]


@admin.register(InstrumentExposure)
class InstrumentExposureAdmin(RecordAdmin):
    list_display = [
        "instrument",
        "mark_price",
        "long_quantity",
        "short_quantity",
        "order_notional",
    ]
    list_select_related = ["instrument"]


@admin.register(GlobalExposure)
class GlobalExposureAdmin(RecordAdmin):
    list_display = ["__str__", "total"]
