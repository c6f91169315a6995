"""Instruments in the staff console: their rules, their halts, and the quotes that halted them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.models import Tier
from market.kernel.amounts import percent, plain
from market.kernel.console.actions import ReasonForm, row_action, staff_id
from market.kernel.console.bulk import bulk_action
from market.kernel.console.figures import (
    NOTHING,
    percent_column,
    plain_column,
    price_column,
    time_column,
)
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import ConfigurationAdmin, LargeRecordAdmin
from market.kernel.console.states import but_useless, halts, reduces, resumes, state_actions
from market.kernel.states import TradingState
from market.models import HaltOutcome, Instrument, PriceHalt
from market.selectors import open_price_halt
from market.services import (
    configure_instrument,
    halt_instrument,
    list_instrument,
    release_instrument,
    resume_instrument,
    set_instrument_state,
)
from risk.selectors import policy_in_force
from risk.volatility import highest_leverage
from trading.admin.clock import PATIENCE, told
from trading.models import ManualPrice
from trading.steps.by_hand import take_refused_price

STEPS = ("tick_size", "lot_size", "min_notional")
LARGEST = ("max_order_size", "max_order_value")
FEES = ("maker_fee_rate", "taker_fee_rate")
IDENTITY = ("symbol", "base_asset", "quote_asset")
STATE = ("halted", "reducing")
MARK = ("mark_price", "marked_at", "mark_source")
RANGE = ("range_now", "leverage_now")
NOUN = "instrument"


class ReleaseForm(ReasonForm):
    """Asks what becomes of the quote that halted an instrument, and means the one it showed."""

    halt = forms.ModelChoiceField(PriceHalt.objects.none(), widget=forms.HiddenInput)
    outcome = forms.ChoiceField(label="Mark price", widget=UnfoldAdminSelectWidget)
    field_order = ("halt", "outcome", "reason")

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        key = int(object_id) if object_id.isdecimal() else None
        halts = PriceHalt.objects.filter(instrument=key, released_at=None)
        self.fields["halt"].queryset = halts
        if (halt := halts.first()) is not None:
            self.fields["halt"].initial = halt.pk
            mark = halt.instrument.mark_price or halt.mark_price
            choices = [(HaltOutcome.KEPT, f"Keep the old mark: {plain(mark)}")]
            if request.user.has_perm("market.change_marketclock"):  # as to set a price
                choices.append((HaltOutcome.TAKEN, f"Take this price: {plain(halt.price)}"))
            self.fields["outcome"].choices = choices


def set_instrument(
    request: HttpRequest, instrument: Instrument, state: TradingState, reason: str
) -> str:
    set_instrument_state(instrument=instrument, state=state, reason=reason)
    if state == TradingState.ACTIVE:
        return f"{how_it_goes_on(instrument)}."
    if state == TradingState.REDUCING:
        return f"Orders of {instrument} may only reduce positions."
    return f"{instrument} is halted."


def how_it_goes_on(instrument: Instrument) -> str:
    """Tell whether an instrument trades again after a release."""
    if instrument.halted:
        return f"{instrument} stays halted, as staff halted it too"
    if instrument.reducing:
        return f"Orders of {instrument} may only reduce positions, as staff have it"
    return f"{instrument} trades again"


@admin.register(Instrument)
class InstrumentAdmin(ConfigurationAdmin):
    """Rules are edited here; the mark price comes from market steps alone."""

    list_display = (
        "symbol",
        price_column("mark_price"),
        time_column("marked_at"),
        "mark_source",
        plain_column("tick_size"),
        plain_column("lot_size"),
        plain_column("min_notional", "Minimum notional"),
        "halted",
        "reducing",
    )
    list_filter = ("halted", "reducing", ("mark_source", ChoicesDropdownFilter))
    search_fields = ("symbol", "base_asset")
    filled_by = "List an instrument here, or run python manage.py seed_demo, which lists three."
    fieldsets = (
        (None, {"fields": (IDENTITY, ("halted", "reducing", "halt_reason"))}),
        ("Rules", {"fields": (STEPS, LARGEST, FEES, "price_collar")}),
        ("Mark price", {"fields": (MARK, RANGE)}),
    )
    add_fieldsets = (
        (None, {"fields": (("symbol", "base_asset"),)}),
        ("Rules", {"fields": (STEPS, LARGEST, FEES, "price_collar")}),
    )
    change_form_after_template = "paths/instrument.html"
    actions = ("halt_selected", "resume_selected")
    actions_detail = ("halt", "reduce", "resume", "release")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Instrument | None = None
    ) -> tuple[str, ...]:
        """A symbol keeps its name and its assets once it is listed."""
        shown = (*MARK, *RANGE, *STATE, "halt_reason")
        return (*shown, *(IDENTITY if obj else ()))

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what changes something; of an instrument that a quote halted its release alone."""
        instrument = self.get_object(request, object_id)
        offered = super().get_actions_detail(request, object_id)
        if instrument is None:
            return []
        quoted = open_price_halt(instrument=instrument) is not None
        releases = [one for one in offered if (one.method.__name__ == "release") == quoted]
        return but_useless(releases, instrument.state)

    @admin.display(description="Halted by its price collar")
    def halt_reason(self, row: Instrument) -> str:
        halt = open_price_halt(instrument=row)
        return NOTHING if halt is None else halt.reason

    @admin.display(description="Range of marks")
    def range_now(self, row: Instrument) -> str:
        if row.realized_range is None:
            return NOTHING
        minutes = policy_in_force().volatility_window_minutes
        return f"{percent(row.realized_range)} over {minutes:,} minutes"

    @admin.display(description="Highest leverage of orders that open")
    def leverage_now(self, row: Instrument) -> str:
        policy = policy_in_force()
        by_tier = sorted(policy.max_leverage, key=lambda limit: limit[1])
        left = {
            tier: highest_leverage(most, policy.volatility_bands, row.realized_range)
            for tier, most in by_tier
        }
        return ", ".join(f"{Tier(tier).label} {left[tier]}x of {most}x" for tier, most in by_tier)

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Instrument:
        return list_instrument(**values)

    def configure(
        self, request: HttpRequest, row: Instrument, changes: dict[str, Any], **asked: str
    ) -> None:
        configure_instrument(instrument=row, changes=changes, **asked)

    def has_halt_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("market.change_instrument")

    halt, reduce, resume = state_actions(
        set_instrument,
        permission="halt",
        buttons=(
            halts(
                "No order of this instrument is accepted or filled until it is resumed. "
                "Close-outs go on.",
                icon="pause_circle",
            ),
            reduces(
                "Orders that open or add to a position of this instrument are refused until it is "
                "resumed; those that reduce one are accepted, and resting orders may only reduce."
            ),
            resumes("Orders of this instrument are accepted and filled again."),
        ),
    )

    @row_action(
        title="Release",
        question="Orders of this instrument are accepted and filled again, unless staff halted it "
        "too. Taking the price that halted it runs one market step at it: orders are filled, "
        "accounts in breach closed out.",
        permission="halt",
        icon="lock_open",
        variant=ActionVariant.SUCCESS,
        form_class=ReleaseForm,
    )
    def release(self, request: HttpRequest, form: forms.Form, instrument: Instrument) -> str:
        halt, reason = form.cleaned_data["halt"], form.cleaned_data["reason"]
        if form.cleaned_data["outcome"] == HaltOutcome.KEPT:
            release_instrument(halt=halt, outcome=HaltOutcome.KEPT, reason=reason)
            return f"{how_it_goes_on(halt.instrument)}, at the old mark."
        result = take_refused_price(
            halt=halt, reason=reason, staff_id=staff_id(request), patience=PATIENCE
        )
        return f"{how_it_goes_on(halt.instrument)}, at the price that halted it. {told(result)}"

    @bulk_action(
        title="Halt the selected",
        question="No order of these instruments is accepted or filled until they are resumed. "
        "Close-outs go on.",
        permission="halt",
        done="halted",
        what=NOUN,
    )
    def halt_selected(self, request: HttpRequest, row: Instrument, reason: str) -> None:
        halt_instrument(instrument=row, reason=reason)

    @bulk_action(
        title="Resume the selected",
        question="Orders of these instruments are accepted and filled again.",
        permission="halt",
        done="resumed",
        what=NOUN,
    )
    def resume_selected(self, request: HttpRequest, row: Instrument, reason: str) -> None:
        resume_instrument(instrument=row, reason=reason)
        if row.state != TradingState.ACTIVE:
            messages.warning(request, f"{how_it_goes_on(row)}.")


@admin.register(PriceHalt)
class PriceHaltAdmin(LargeRecordAdmin):
    """Quotes that were refused; an open one is released on the page of its instrument."""

    list_display = (
        "id",
        time_column("halted_at"),
        "instrument",
        price_column("mark_price", "Mark"),
        price_column("price", "Refused"),
        "source",
        percent_column("collar"),
        time_column("released_at"),
        "outcome",
        "stays_halted",
    )
    list_filter = (
        ("instrument", RelatedDropdownFilter),
        ("released_at", admin.EmptyFieldListFilter),
        ("halted_at", DayFilter),
    )
    list_select_related = ("instrument",)
    filled_by = (
        "A quote further from the mark than the price collar allows halts its instrument and "
        "stands here, until staff release it on the instrument's page."
    )


@admin.register(ManualPrice)
class ManualPriceAdmin(LargeRecordAdmin):
    """Mark prices that a person set."""

    list_display = (
        "id",
        time_column("created_at"),
        "instrument",
        price_column("previous_price", "Mark before"),
        price_column("price"),
        "way",
        "beyond_collar",
        "created_by",
    )
    list_filter = (
        ("instrument", RelatedDropdownFilter),
        ("way", ChoicesDropdownFilter),
        "beyond_collar",
        ("created_at", DayFilter),
    )
    list_select_related = ("instrument", "created_by")
    filled_by = "Each price that a person sets, by Set a mark price under Clock or by replay."
