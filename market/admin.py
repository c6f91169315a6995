"""Instruments and their prices in the staff console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from market.console.actions import for_each, row_action
from market.console.figures import plain_column, time_column
from market.console.filters import DayFilter
from market.console.pages import ConfigurationAdmin, LargeRecordAdmin
from market.models import Instrument, PriceTick
from market.services import (
    configure_instrument,
    halt_instrument,
    list_instrument,
    resume_instrument,
)

STEPS = ("tick_size", "lot_size", "min_notional")
FEES = ("maker_fee_rate", "taker_fee_rate")
IDENTITY = ("symbol", "base_asset", "quote_asset")
MARK = ("mark_price", "marked_at", "mark_source")


@admin.register(Instrument)
class InstrumentAdmin(ConfigurationAdmin):
    """Rules are edited here; the mark price comes from market steps alone."""

    list_display = (
        "symbol",
        plain_column("mark_price"),
        time_column("marked_at"),
        "mark_source",
        plain_column("tick_size"),
        plain_column("lot_size"),
        plain_column("min_notional", "Minimum notional"),
        "halted",
    )
    list_filter = ("halted", ("mark_source", ChoicesDropdownFilter))
    search_fields = ("symbol", "base_asset")
    fieldsets = (
        (None, {"fields": (IDENTITY, "halted")}),
        ("Rules", {"fields": (STEPS, FEES, "price_collar")}),
        ("Mark price", {"fields": (MARK,)}),
    )
    add_fieldsets = (
        (None, {"fields": (("symbol", "base_asset"),)}),
        ("Rules", {"fields": (STEPS, FEES, "price_collar")}),
    )
    actions = ("halt_selected", "resume_selected")
    actions_detail = ("halt", "resume")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Instrument | None = None
    ) -> tuple[str, ...]:
        """A symbol keeps its name and its assets once it is listed."""
        return (*MARK, "halted", *(IDENTITY if obj else ()))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer the one of halt and resume that changes something."""
        instrument = self.get_object(request, object_id)
        useless = "halt" if instrument is not None and instrument.halted else "resume"
        offered = super().get_actions_detail(request, object_id)
        return [action for action in offered if action.method.__name__ != useless]

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Instrument:
        return list_instrument(**values)

    def configure(
        self, request: HttpRequest, row: Instrument, changes: dict[str, Any], version: str
    ) -> None:
        configure_instrument(instrument=row, changes=changes, version=version)

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("market.change_instrument")

    @row_action(
        title="Halt",
        question="No order of this instrument is accepted or filled until it is resumed. "
        "Close-outs go on.",
        permission="halt",
        icon="pause_circle",
        variant=ActionVariant.DANGER,
    )
    def halt(self, request: HttpRequest, form: forms.Form, instrument: Instrument) -> str:
        halt_instrument(instrument=instrument)
        return f"{instrument} is halted."

    @row_action(
        title="Resume",
        question="Orders of this instrument are accepted and filled again.",
        permission="halt",
        icon="play_circle",
        variant=ActionVariant.SUCCESS,
    )
    def resume(self, request: HttpRequest, form: forms.Form, instrument: Instrument) -> str:
        resume_instrument(instrument=instrument)
        return f"{instrument} trades again."

    @admin.action(description="Halt the selected", permissions=["halt"])
    def halt_selected(self, request: HttpRequest, rows: QuerySet[Instrument]) -> None:
        for_each(request, rows, lambda row: halt_instrument(instrument=row), "Halted")

    @admin.action(description="Resume the selected", permissions=["halt"])
    def resume_selected(self, request: HttpRequest, rows: QuerySet[Instrument]) -> None:
        for_each(request, rows, lambda row: resume_instrument(instrument=row), "Resumed")


@admin.register(PriceTick)
class PriceTickAdmin(LargeRecordAdmin):
    list_display = ("id", time_column("created_at"), "instrument", plain_column("price"), "source")
    list_filter = (
        ("instrument", RelatedDropdownFilter),
        ("source", ChoicesDropdownFilter),
        ("created_at", DayFilter),
    )
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
    search_help_text = "Symbol"
