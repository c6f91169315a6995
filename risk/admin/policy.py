"""The policy and the limits of tiers in the staff console."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from market.kernel.console.figures import count_column, label_column, money_column
from market.kernel.console.pages import ConfigurationAdmin, PolicyAdmin
from market.kernel.console.states import but_useless, halts, reduces, resumes, state_actions
from market.kernel.states import TradingState
from risk.models import LeverageLimit, RiskPolicy
from risk.policy_history import policies_after
from risk.selectors import get_policy, policy_in_force
from risk.services import change_limits, change_policy, set_tier_state, set_trading_state

TIER_LABELS = {"ACTIVE": "success", "REDUCING": "warning", "HALTED": "danger"}
#: What the exchange's state means, as the console says it.
TRADING: Final = {
    TradingState.HALTED: "Trading is halted.",
    TradingState.REDUCING: "Orders may only reduce positions.",
    TradingState.ACTIVE: "Trading goes on.",
}
#: django-simple-history takes one word for a column's title and the attribute that it shows.
DIGEST: Final = "Policy digest"


def as_code(digest: str) -> SafeString:
    """Write the beginning of a digest; the whole of it shows under the pointer."""
    return format_html('<code title="{}">{}…</code>', digest, digest[:12])


def set_exchange(request: HttpRequest, policy: RiskPolicy, state: TradingState, reason: str) -> str:
    set_trading_state(state=state, reason=reason)
    return TRADING[state]


def set_tier(request: HttpRequest, limit: LeverageLimit, state: TradingState, reason: str) -> str:
    set_tier_state(limit=limit, state=state, reason=reason)
    return f"{limit}, {state.capitalize()}."


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

    def facts_of(self, record: Any) -> list[tuple[str, str]]:
        return [(DIGEST, policies_after([record.history_date])[record.history_date].digest)]


@admin.register(RiskPolicy)
class RiskPolicyAdmin(PartOfPolicyAdmin, PolicyAdmin):
    """Halt trading and set the limits; every change stands in the history."""

    fieldsets = (
        (
            "Trading",
            {
                "fields": (
                    ("trading_halted", "trading_reducing"),
                    ("max_mark_age_seconds", "max_open_orders"),
                    "price_collar",
                )
            },
        ),
        ("Orders", {"fields": (("price_band", "duplicate_seconds"),)}),
        ("Throttle of repeated execution", {"fields": (("max_fills", "fills_window_seconds"),)}),
        ("Exposure", {"fields": (("user_exposure_limit", "global_exposure_threshold"),)}),
        (
            "Leverage by volatility",
            {"fields": (("volatility_window_minutes", "volatility_bands"),)},
        ),
        (
            "Liquidation",
            {
                "fields": (
                    "liquidation_mode",
                    ("liquidation_threshold", "liquidation_fee_rate"),
                    ("close_out_target", "close_out_share"),
                )
            },
        ),
        ("Maintenance", {"fields": ("margin_mode", "maintenance_brackets")}),
        ("Policy as one value", {"fields": ("digest",)}),
    )
    readonly_fields = ("trading_halted", "trading_reducing", "digest")
    actions_detail = ("halt", "reduce", "resume")

    @admin.display(description="Digest")
    def digest(self, row: RiskPolicy) -> str:
        return policy_in_force().digest

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer those of halt, reduce and resume that change something."""
        offered = super().get_actions_detail(request, object_id)
        return but_useless(offered, get_policy().trading_state)

    def configure(
        self, request: HttpRequest, row: RiskPolicy, changes: dict[str, Any], **asked: str
    ) -> None:
        change_policy(changes=changes, **asked)

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("risk.change_riskpolicy")

    halt, reduce, resume = state_actions(
        set_exchange,
        permission="halt",
        buttons=(
            halts(
                "No order is accepted or filled until trading is resumed. Cancels and close-outs "
                "go on.",
                title="Halt trading",
            ),
            reduces(
                "Orders that open or add to a position are refused until trading is resumed; those "
                "that reduce one are accepted, and resting orders may only reduce."
            ),
            resumes("Orders are accepted and filled again.", title="Resume trading"),
        ),
    )


@admin.register(LeverageLimit)
class LeverageLimitAdmin(PartOfPolicyAdmin):
    """One row per tier, made by migration: changed, never added."""

    list_display = (
        "tier",
        count_column("max_leverage", unit="x"),
        money_column("max_order_value", "Largest order, USDT"),
        label_column("tier_state", TIER_LABELS, "State"),
        money_column("max_minute_value", "Largest value a minute, USDT"),
    )
    search_fields = ("tier",)
    filled_by = "Each tier's limit is made by the migrations: run python manage.py migrate."
    readonly_fields = ("tier", "tier_state")
    actions_detail = ("halt", "reduce", "resume")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def configure(
        self, request: HttpRequest, row: LeverageLimit, changes: dict[str, Any], **asked: str
    ) -> None:
        change_limits(limit=row, changes=changes, **asked)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer those of halt, reduce and resume that change something."""
        limit = self.get_object(request, object_id)
        offered = super().get_actions_detail(request, object_id)
        return [] if limit is None else but_useless(offered, TradingState(limit.tier_state))

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("risk.change_leveragelimit")

    halt, reduce, resume = state_actions(
        set_tier,
        permission="halt",
        buttons=(
            halts(
                "No order of this tier's users is accepted until it is resumed; resting orders may "
                "only reduce. Cancels and close-outs go on."
            ),
            reduces(
                "Of this tier's users only orders that reduce a position are accepted until it is "
                "resumed; resting orders may only reduce."
            ),
            resumes("Orders of this tier's users are accepted and filled again."),
        ),
    )
