"""Positions and exposure in the staff console."""

from decimal import Decimal
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
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
from market.kernel.console.pages import LargeRecordAdmin, RecordAdmin
from market.kernel.console.search import FoundByNumberOrOwner
from market.kernel.console.seeking import KEY
from market.kernel.snapshot import consistent_read
from risk.exposure import ExposureChange
from risk.models import GlobalExposure, InstrumentExposure, Position, PositionStatus, Reservation
from risk.selectors import account_states, as_open_position, get_policy, get_position
from risk.statement import entry_price, position_lines

STATUS_LABELS = {"OPEN": "info", "CLOSED": "default", "LIQUIDATED": "danger"}
STATUS: Final = label_column("status", STATUS_LABELS)


def unrealized(row: Position) -> str:
    """Write what an open position would earn at its mark."""
    is_open = row.status == PositionStatus.OPEN
    return gain(as_open_position(row).unrealized_pnl) if is_open else NOTHING


def value_of(row: InstrumentExposure) -> Decimal:
    """Return the exposure in an instrument in USDT."""
    exposure = ExposureChange(row.long_quantity, row.short_quantity, row.order_notional)
    return exposure.valued_at(row.mark_price)


def position_figures(position_id: int) -> list[Figure]:
    """Return what a position comes to at the present marks, and how its account stands."""
    with consistent_read():
        row = get_position(position_id=position_id, user_id=None)
        [line] = position_lines([row])
        is_open = row.status == PositionStatus.OPEN
        account = account_states([row.account_id])[row.account_id] if is_open else None
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
    if account is None:
        return figures
    if line.maintenance_margin is not None:
        figures.append(amount("Maintenance margin", line.maintenance_margin))
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
        shown = {"figures": position_figures(row.pk)} if row else {}
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
