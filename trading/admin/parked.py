"""Answers of a venue that do not fit their orders, and the three ways to settle one."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from accounts.access import caller
from market.kernel.console.actions import ReasonForm, row_action
from market.kernel.console.figures import grouped, label_column, money, time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin
from trading.models import OPEN_STATUSES, ParkedAnswer
from trading.venues.staff_settlement import adjust_parked, book_parked, release_parked

STATE_LABELS = {
    "waits for staff": "danger",
    "booked": "success",
    "released": "default",
    "adjusted": "info",
    "closed": "default",
}


LINK = "text-primary-600 dark:text-primary-500"
#: What the dialogs ask for.
ENTERED = ("size", "price", "amount", "reason")


def decimal_input(help_text: str) -> forms.DecimalField:
    return forms.DecimalField(
        max_digits=28,
        decimal_places=8,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=help_text,
    )


class FillForm(ReasonForm):
    """Asks for the fill as staff found it to be."""

    size = decimal_input("What filled beyond what is booked, in base asset.")
    price = decimal_input("The average price of that, in quote asset.")
    field_order = ("size", "price", "reason")


class AdjustmentForm(ReasonForm):
    """Asks what the account is owed."""

    amount = decimal_input("In USDT, negative to take; 0 settles it without a transfer.")
    field_order = ("amount", "reason")


@admin.register(ParkedAnswer)
class ParkedAnswerAdmin(LargeRecordAdmin):
    """While an answer waits, its order stays as it is and its owner can't cancel it."""

    list_display = (
        "id",
        time_column("parked_at"),
        "shown_order",
        "owner",
        "complaint",
        label_column("state", STATE_LABELS),
        "settled_by",
    )
    list_filter = (
        ("settled_at", admin.EmptyFieldListFilter),
        ("outcome", ChoicesDropdownFilter),
        ("parked_at", DayFilter),
    )
    list_select_related = ("order__account__user", "settled_by")
    search_fields = ("=id", "=order__id", "order__account__user__username__istartswith")
    search_help_text = "Number of an answer or an order, or beginning of a username"
    filled_by = (
        "An answer of a venue that does not fit its order waits here for staff; orders of the "
        "simulated venue leave none."
    )
    fieldsets = (
        (None, {"fields": (("shown_order", "owner"), "parked_at", "complaint")}),
        ("Asked", {"fields": ("asked", "booked")}),
        ("Answered", {"fields": ("executed_quantity", "answer")}),
        ("Settled", {"fields": ("state", ("settled_at", "settled_by"), "reason")}),
    )
    readonly_fields = ("shown_order", "owner", "asked", "booked", "state")
    actions_detail = ("book", "release", "adjust")

    @admin.display(description="Order")
    def shown_order(self, parked: ParkedAnswer) -> str:
        href = reverse("admin:trading_order_change", args=[parked.order_id])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, href, parked.order_id)

    @admin.display(description="Owner")
    def owner(self, parked: ParkedAnswer) -> str:
        return str(parked.order.account)

    @admin.display(description="Order as placed")
    def asked(self, parked: ParkedAnswer) -> str:
        order = parked.order
        limit = "at the market" if order.price is None else f"at {grouped(order.price)}"
        return f"{order.side} {grouped(order.size)} {order.symbol} {limit}, {order.leverage}x"

    @admin.display(description="Order as it stands")
    def booked(self, parked: ParkedAnswer) -> str:
        order = parked.order
        filled, reserved = grouped(order.filled_size), money(order.reserved_margin)
        return f"{order.status}: {filled} filled, {reserved} USDT of margin reserved"

    @admin.display(description="State")
    def state(self, parked: ParkedAnswer) -> str:
        return parked.state

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer what an answer that waits can be settled by."""
        parked = self.get_object(request, object_id)
        if parked is None or parked.settled_at is not None:
            return []
        is_open = parked.order.status in OPEN_STATUSES
        fitting = {"book", "release"} if is_open else {"adjust"}
        offered = super().get_actions_detail(request, object_id)
        return [action for action in offered if action.method.__name__ in fitting]

    def has_settle_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("trading.change_parkedanswer")

    def has_pay_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may settle at a price or an amount of their choice: that moves money."""
        may_post = request.user.has_perm("accounts.add_transfer")
        return may_post and self.has_settle_permission(request, object_id)

    @row_action(
        title="Book a fill",
        question="Books this fill and ends the order: filled, or expired with what is left.",
        permission="pay",
        icon="done_all",
        form_class=FillForm,
    )
    def book(self, request: HttpRequest, form: forms.Form, parked: ParkedAnswer) -> str:
        order = book_parked(parked=parked, staff=caller(request), **entered(form))
        size, price = grouped(form.cleaned_data["size"]), grouped(form.cleaned_data["price"])
        return f"Order {order.pk}: booked {size} at {price}."

    @row_action(
        title="Release the order",
        question="Ends the order without a further fill and gives back what it reserves. "
        "If the venue still has it, it is canceled there.",
        permission="settle",
        icon="lock_open",
        form_class=ReasonForm,
        variant=ActionVariant.DANGER,
    )
    def release(self, request: HttpRequest, form: forms.Form, parked: ParkedAnswer) -> str:
        order = release_parked(parked=parked, staff=caller(request), **entered(form))
        return f"Order {order.pk} is released."

    @row_action(
        title="Settle by adjustment",
        question="The order has ended and stays as it is; the balance changes by this amount.",
        permission="pay",
        icon="tune",
        form_class=AdjustmentForm,
    )
    def adjust(self, request: HttpRequest, form: forms.Form, parked: ParkedAnswer) -> str:
        adjust_parked(parked=parked, staff=caller(request), **entered(form))
        amount = money(form.cleaned_data["amount"])
        return f"Order {parked.order_id}: settled with {amount} USDT."


def entered(form: forms.Form) -> dict[str, Any]:
    """Return what was asked for, without what the dialog adds."""
    return {name: form.cleaned_data[name] for name in ENTERED if name in form.cleaned_data}
