"""Policy, positions and exposure in the staff console."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from simple_history.models import SIMPLE_HISTORY_REVERSE_ATTR_NAME
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from market.kernel.console.actions import row_action
from market.kernel.console.figures import (
    NOTHING,
    aligned,
    grouped,
    label_column,
    money,
    money_column,
    plain_column,
    signed,
    signed_column,
    time_column,
)
from market.kernel.console.filters import EndlessDayFilter
from market.kernel.console.pages import (
    ConfigurationAdmin,
    LargeRecordAdmin,
    PolicyAdmin,
    RecordAdmin,
)
from market.kernel.console.search import FoundByNumberOrOwner
from risk.exposure import ExposureChange
from risk.models import (
    GlobalExposure,
    InstrumentExposure,
    LeverageLimit,
    Position,
    PositionStatus,
    Reservation,
    RiskPolicy,
)
from risk.policy_history import policies_after
from risk.selectors import as_open_position, get_policy, policy_in_force
from risk.services import change_policy, halt_trading, resume_trading, set_leverage_limit
from risk.statement import entry_price

STATUS_LABELS = {"OPEN": "info", "CLOSED": "default", "LIQUIDATED": "danger"}
#: django-simple-history takes one word for a column's title and the attribute that it shows.
DIGEST: Final = "Policy digest"


def as_code(digest: str) -> SafeString:
    """Write the beginning of a digest; the whole of it shows under the pointer."""
    return format_html('<code title="{}">{}…</code>', digest, digest[:12])


class PartOfPolicyAdmin(ConfigurationAdmin):
    """A part of the policy: its history shows the digest of the whole after each change."""

    history_list_display = (DIGEST,)

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Sequence[Any], **options: Any
    ) -> None:
        records = list(historical_records)
        policies = policies_after([record.history_date for record in records])
        for record in records:
            setattr(record, DIGEST, as_code(policies[record.history_date].digest))
        super().set_history_delta_changes(request, records, **options)


@admin.register(RiskPolicy)
class RiskPolicyAdmin(PartOfPolicyAdmin, PolicyAdmin):
    """Halt trading and set the limits; every change stands in the history."""

    fieldsets = (
        (
            "Trading",
            {
                "fields": (
                    ("trading_halted", "max_mark_age_seconds"),
                    ("price_collar", "max_open_orders"),
                )
            },
        ),
        ("Exposure", {"fields": (("user_exposure_limit", "global_exposure_threshold"),)}),
        (
            "Liquidation",
            {
                "fields": (
                    ("liquidation_threshold", "liquidation_mode"),
                    "liquidation_fee_rate",
                )
            },
        ),
        ("Policy as one value", {"fields": ("digest",)}),
    )
    readonly_fields = ("trading_halted", "digest")
    actions_detail = ("halt", "resume")

    @admin.display(description="Digest")
    def digest(self, row: RiskPolicy) -> str:
        """Return that of the policy in force, of a former state that of the policy by then."""
        former = getattr(row, SIMPLE_HISTORY_REVERSE_ATTR_NAME, None)
        if former is None:
            return policy_in_force().digest
        return policies_after([former.history_date])[former.history_date].digest

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer the one of halt and resume that changes something."""
        useless = "halt" if get_policy().trading_halted else "resume"
        offered = super().get_actions_detail(request, object_id)
        return [action for action in offered if action.method.__name__ != useless]

    def configure(
        self, request: HttpRequest, row: RiskPolicy, changes: dict[str, Any], version: str
    ) -> None:
        change_policy(changes=changes, version=version)

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("risk.change_riskpolicy")

    @row_action(
        title="Halt trading",
        question="No order is accepted or filled until trading is resumed. Cancels and "
        "close-outs go on.",
        permission="halt",
        icon="front_hand",
        variant=ActionVariant.DANGER,
    )
    def halt(self, request: HttpRequest, form: forms.Form, policy: RiskPolicy) -> str:
        halt_trading()
        return "Trading is halted."

    @row_action(
        title="Resume trading",
        question="Orders are accepted and filled again.",
        permission="halt",
        icon="play_circle",
        variant=ActionVariant.SUCCESS,
    )
    def resume(self, request: HttpRequest, form: forms.Form, policy: RiskPolicy) -> str:
        resume_trading()
        return "Trading goes on."


@admin.register(LeverageLimit)
class LeverageLimitAdmin(PartOfPolicyAdmin):
    """One row per tier, made by migration: changed, never added."""

    list_display = ("tier", "max_leverage")
    search_fields = ("tier",)
    readonly_fields = ("tier",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def configure(
        self, request: HttpRequest, row: LeverageLimit, changes: dict[str, Any], version: str
    ) -> None:
        set_leverage_limit(limit=row, max_leverage=row.max_leverage, version=version)


@admin.register(Position)
class PositionAdmin(FoundByNumberOrOwner, LargeRecordAdmin):
    """Open positions at present marks, and the closed ones as history."""

    change_form_after_template = "paths/position.html"

    list_display = (
        "id",
        "account",
        "instrument",
        label_column("status", STATUS_LABELS),
        plain_column("quantity"),
        "entry",
        plain_column("instrument__mark_price", "Mark"),
        money_column("margin"),
        "leverage",
        "unrealized",
        signed_column("realized_pnl", "Realised"),
        time_column("opened_at"),
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("instrument", RelatedDropdownFilter),
        ("account", AutocompleteSelectFilter),
        ("opened_at", EndlessDayFilter),
    )
    list_select_related = ("account__user", "instrument")

    @admin.display(description="Entry")
    def entry(self, row: Position) -> str:
        return aligned(grouped(entry_price(row)))

    @admin.display(description="Unrealised")
    def unrealized(self, row: Position) -> str:
        if row.status != PositionStatus.OPEN:
            return NOTHING
        return signed(as_open_position(row).unrealized_pnl)


@admin.register(Reservation)
class ReservationAdmin(RecordAdmin):
    list_display = (
        "account",
        money_column("reserved_margin"),
        money_column("reserved_notional"),
    )
    list_select_related = ("account__user",)
    search_fields = ("account__user__username",)


@admin.register(InstrumentExposure)
class InstrumentExposureAdmin(RecordAdmin):
    list_display = (
        "instrument",
        plain_column("mark_price"),
        plain_column("long_quantity", "Long"),
        plain_column("short_quantity", "Short"),
        money_column("order_notional", "Notional of open orders"),
        "value",
    )
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)

    @admin.display(description="Exposure, USDT")
    def value(self, row: InstrumentExposure) -> str:
        exposure = ExposureChange(row.long_quantity, row.short_quantity, row.order_notional)
        return aligned(money(exposure.valued_at(row.mark_price)))


@admin.register(GlobalExposure)
class GlobalExposureAdmin(RecordAdmin):
    list_display = ("__str__", money_column("total", "Total, USDT"), "threshold")

    @admin.display(description="Threshold, USDT")
    def threshold(self, row: GlobalExposure) -> str:
        return aligned(money(get_policy().global_exposure_threshold))
