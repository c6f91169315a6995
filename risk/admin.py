"""Policy, positions and exposure in the staff console."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)

from market.kernel.console.figures import (
    NOTHING,
    Figure,
    amount,
    cents,
    computed_column,
    count_column,
    gain,
    gained,
    label_column,
    money_column,
    price_column,
    ratio,
    signed_column,
    size_column,
    stepped,
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
from market.kernel.console.seeking import KEY
from market.kernel.console.states import but_useless, halts, reduces, resumes, state_actions
from market.kernel.states import TradingState
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
from risk.selectors import account_states, as_open_position, get_policy, policy_in_force
from risk.services import (
    change_limits,
    change_policy,
    set_tier_state,
    set_trading_state,
)
from risk.statement import entry_price, position_lines

TIER_LABELS = {"ACTIVE": "success", "REDUCING": "warning", "HALTED": "danger"}
#: What the exchange's state means, as the console says it.
TRADING: Final = {
    TradingState.HALTED: "Trading is halted.",
    TradingState.REDUCING: "Orders may only reduce positions.",
    TradingState.ACTIVE: "Trading goes on.",
}
STATUS_LABELS = {"OPEN": "info", "CLOSED": "default", "LIQUIDATED": "danger"}
#: django-simple-history takes one word for a column's title and the attribute that it shows.
DIGEST: Final = "Policy digest"
STATUS: Final = label_column("status", STATUS_LABELS)


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
        ("Exposure", {"fields": (("user_exposure_limit", "global_exposure_threshold"),)}),
        (
            "Leverage by volatility",
            {"fields": (("volatility_window_minutes", "volatility_bands"),)},
        ),
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


def unrealized(row: Position) -> str:
    """Write what an open position would earn at its mark."""
    is_open = row.status == PositionStatus.OPEN
    return gain(as_open_position(row).unrealized_pnl) if is_open else NOTHING


def value_of(row: InstrumentExposure) -> Decimal:
    """Return the exposure in an instrument in USDT."""
    exposure = ExposureChange(row.long_quantity, row.short_quantity, row.order_notional)
    return exposure.valued_at(row.mark_price)


def position_figures(row: Position) -> list[Figure]:
    """Return what a position comes to at the present marks, and how its account stands."""
    [line] = position_lines([row])
    price, tick = row.instrument.mark_price, row.instrument.tick_size
    figures = [
        Figure("Entry price", stepped(line.entry_price, tick), unit=""),
        Figure("Mark price", stepped(price, tick), unit=""),
        amount("Notional", line.notional),
        amount("Margin", line.margin),
        gained("Unrealised P&L", line.unrealized_pnl),
        gained("Realised P&L", line.realized_pnl),
        Figure("Leverage asked for", f"{line.leverage}", unit="x"),
    ]
    if row.status != PositionStatus.OPEN:
        return figures
    account = account_states([row.account_id])[row.account_id]
    return [
        *figures,
        Figure("Liquidation price", stepped(line.liquidation_price, tick), unit=""),
        ratio("Effective leverage of the account", account.effective_leverage, "x", places=2),
        ratio("Margin ratio of the account", account.margin_ratio),
        amount("Equity of the account", account.equity),
    ]


@admin.register(Position)
class PositionAdmin(FoundByNumberOrOwner, LargeRecordAdmin):
    """Open positions at present marks, and the closed ones as history."""

    change_form_after_template = "paths/position.html"

    list_display = (
        "id",
        "account",
        "instrument",
        STATUS,
        size_column("quantity"),
        computed_column("Entry", lambda row: stepped(entry_price(row), row.instrument.tick_size)),
        price_column("instrument__mark_price", "Mark"),
        money_column("margin", "Margin, USDT"),
        count_column("leverage", unit="x"),
        computed_column("Unrealised P&L, USDT", unrealized),
        signed_column("realized_pnl", "Realised P&L, USDT"),
        time_column("opened_at"),
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("instrument", RelatedDropdownFilter),
        ("account", AutocompleteSelectFilter),
        ("opened_at", EndlessDayFilter),
    )
    list_select_related = ("account__user", "instrument")
    filled_by = "The first fill of an order opens one: place an order that fills."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", "instrument", "status"),
                    ("opened_at", "closed_at"),
                )
            },
        ),
        (
            "As booked",
            {"fields": (("quantity", "cost"), ("margin", "leverage"), "realized_pnl")},
        ),
    )
    seeks_by = {
        "id": KEY,
        "account": "account_id",
        "instrument": "instrument_id",
        STATUS: "status",
    }

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        shown = {"figures": position_figures(row)} if row else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})


@admin.register(Reservation)
class ReservationAdmin(RecordAdmin):
    list_display = (
        "account",
        money_column("reserved_margin", "Reserved margin, USDT"),
        money_column("reserved_notional", "Reserved notional, USDT"),
    )
    list_select_related = ("account__user",)
    search_fields = ("account__user__username",)
    search_help_text = "Username"
    filled_by = (
        "What the open orders of an account reserve: place a limit order away from the mark."
    )


@admin.register(InstrumentExposure)
class InstrumentExposureAdmin(RecordAdmin):
    list_display = (
        "instrument",
        price_column("mark_price"),
        size_column("long_quantity", "Long"),
        size_column("short_quantity", "Short"),
        money_column("order_notional", "Notional of open orders, USDT"),
        computed_column("Exposure, USDT", lambda row: cents(value_of(row))),
    )
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
    search_help_text = "Symbol"
    filled_by = "The first mark price of an instrument adds its row: run a market step under Clock."


@admin.register(GlobalExposure)
class GlobalExposureAdmin(RecordAdmin):
    list_display = (
        "__str__",
        money_column("total", "Total, USDT"),
        computed_column("Threshold, USDT", lambda _: cents(get_policy().global_exposure_threshold)),
    )
    filled_by = "It is made by the migrations: run python manage.py migrate."
