"""Instruments and their prices in the staff console."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from market.console import KeptAdmin, RecordAdmin, for_each, plain
from market.models import Instrument, MarketClock, PriceTick
from market.services import halt_instrument, resume_instrument


@admin.register(Instrument)
class InstrumentAdmin(SimpleHistoryAdmin, KeptAdmin):
    """Rules are edited here; the mark price comes from market steps alone."""

    list_display = [
        "symbol",
        "mark",
        "marked_at",
        "mark_source",
        "tick",
        "lot",
        "minimum",
        "halted",
    ]
    list_filter = ["halted", "mark_source"]
    search_fields = ["symbol", "base_asset"]
    readonly_fields = ["mark_price", "marked_at", "mark_source"]
    actions = ["halt", "resume"]

    @admin.display(description="Mark price", ordering="mark_price")
    def mark(self, row: Instrument) -> str:
        return plain(row.mark_price)

    @admin.display(description="Tick size")
    def tick(self, row: Instrument) -> str:
        return plain(row.tick_size)

    @admin.display(description="Lot size")
    def lot(self, row: Instrument) -> str:
        return plain(row.lot_size)

    @admin.display(description="Minimum notional")
    def minimum(self, row: Instrument) -> str:
        return plain(row.min_notional)

    @admin.action(description="Halt trading of the selected", permissions=["change"])
    def halt(self, request: HttpRequest, rows: QuerySet[Instrument]) -> None:
        for_each(request, rows, lambda row: halt_instrument(instrument=row), "Halted")

    @admin.action(description="Resume trading of the selected", permissions=["change"])
    def resume(self, request: HttpRequest, rows: QuerySet[Instrument]) -> None:
        for_each(request, rows, lambda row: resume_instrument(instrument=row), "Resumed")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A symbol keeps its name and its assets once it is listed."""
        fixed = ["symbol", "base_asset", "quote_asset"] if obj else []
        return [*self.readonly_fields, *fixed]


@admin.register(PriceTick)
class PriceTickAdmin(RecordAdmin):
    list_display = ["created_at", "instrument", "shown_price", "source"]
    list_filter = ["instrument", "source"]
    list_select_related = ["instrument"]

    @admin.display(description="Price", ordering="price")
    def shown_price(self, row: PriceTick) -> str:
        return plain(row.price)


@admin.register(MarketClock)
class MarketClockAdmin(RecordAdmin):
    list_display = ["id", "steps", "stepped_at", "busy_until"]
