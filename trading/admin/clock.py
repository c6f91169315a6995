"""The market's clock, with the buttons that run a market step."""

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.console.actions import (
    Outcome,
    ReasonForm,
    lead_back,
    list_action,
    staff_id,
)
from market.kernel.console.figures import count_column, counted, grouped, time_column
from market.kernel.console.pages import RecordAdmin
from market.models import Instrument, MarketClock
from trading.steps.by_hand import set_price
from trading.steps.patient import run_market_step_when_free
from trading.steps.reporting import describe_leaps, describe_unfinished
from trading.steps.step import StepResult

#: How long a button waits for another step to end, or for a locked row, in seconds.
PATIENCE = 5


class PriceForm(ReasonForm):
    """Asks for an instrument, its next mark price, and why."""

    field_order = ("instrument", "price", "reason")
    instrument = forms.ModelChoiceField(
        Instrument.objects.all(), widget=UnfoldAdminSelectWidget, empty_label=None
    )
    price = forms.DecimalField(
        **AMOUNT_FIELD,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="A multiple of the tick size. The next tick continues from it.",
    )


@admin.register(MarketClock)
class MarketClockAdmin(RecordAdmin):
    list_display = (
        "__str__",
        count_column("steps"),
        count_column("finished", "Last finished step"),
        time_column("stepped_at"),
        time_column("busy_until"),
    )
    filled_by = "The clock is made by the migrations: run python manage.py migrate."
    actions_list = ("run_step", "set_price")

    def has_step_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("market.change_marketclock")

    @list_action(
        title="Run one market step",
        question="Takes the next prices from the configured sources, fills the limit orders that "
        "they reach and closes out accounts in breach.",
        permission="step",
        icon="skip_next",
    )
    def run_step(self, request: HttpRequest, form: forms.Form) -> Outcome:
        result = run_market_step_when_free(patience=PATIENCE)
        if not result.unmarked:
            return told(result)
        messages.error(request, told(result))
        return lead_back(request)

    @list_action(
        title="Set a mark price",
        question="Runs one market step of one instrument at a price of your choice.",
        permission="step",
        icon="edit",
        form_class=PriceForm,
    )
    def set_price(self, request: HttpRequest, form: forms.Form) -> str:
        instrument, price = form.cleaned_data["instrument"], form.cleaned_data["price"]
        result = set_price(
            symbol=instrument.symbol,
            price=price,
            staff_id=staff_id(request),
            reason=form.cleaned_data["reason"],
        )
        return f"{instrument} at {grouped(price)}. {told(result)}"


def told(result: StepResult) -> str:
    """Return the sentence that tells what a step did."""
    done = (
        f"Market step {result.step}: {counted(len(result.quotes), 'price')}, "
        f"{counted(len(result.ended_orders), 'order')} filled or ended, "
        f"{counted(len(result.liquidations), 'account')} closed out."
    )
    more = [*describe_leaps(result), describe_unfinished(result.unfinished, result.unmarked)]
    return " ".join(filter(None, [done, *more]))
