"""Kills in the staff console: the stop that cancels what is open, and those that there were."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.access import caller
from market.kernel.console.actions import ReasonForm, list_action
from market.kernel.console.figures import (
    count_column,
    counted,
    label_column,
    time_column,
)
from market.kernel.console.pages import LargeRecordAdmin
from market.kernel.errors import ExchangeError, Forbidden
from market.kernel.pruning import Deadline
from market.kernel.states import TradingState
from trading.kill_models import KILL_STATES
from trading.models import Kill
from trading.venues.kill import kill, scope_named

STATE_LABELS: Final = {"REDUCING": "warning", "HALTED": "danger"}
#: Of each scope its name, and what one needs to hold it back by hand.
SCOPES: Final = {
    "everybody": ("Everybody", "risk.change_riskpolicy"),
    "username": ("One user", "accounts.change_account"),
    "symbol": ("One instrument", "market.change_instrument"),
}
#: How long a request goes on, in seconds: what is left then is gone on with.
WITHIN: Final = 20.0


class KillForm(ReasonForm):
    """Asks whose orders end, and what may be done from then on."""

    scope = forms.ChoiceField(
        label="Whose orders",
        choices=[(key, label) for key, (label, _) in SCOPES.items()],
        widget=UnfoldAdminSelectWidget,
    )
    name = forms.CharField(
        label="Username or symbol",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of the user or the instrument; empty for everybody.",
    )
    state = forms.ChoiceField(
        label="From then on", choices=KILL_STATES[::-1], widget=UnfoldAdminSelectWidget
    )
    field_order = ("scope", "name", "state", "reason")

    def clean(self) -> dict[str, Any]:
        """Find whom the name means, so that a slip never stops more than was meant."""
        asked = super().clean() or {}
        scope, name = asked.get("scope"), asked.get("name", "")
        if scope is None:
            return asked
        if (scope == "everybody") == bool(name):
            raise ValidationError("Name the user or the instrument, or nobody for everybody.")
        try:
            asked["meant"] = scope_named(**({scope: name} if name else {}))
        except ExchangeError as error:
            raise ValidationError(error.detail) from error
        return asked


@admin.register(Kill)
class KillAdmin(LargeRecordAdmin):
    list_display = (
        "id",
        time_column("started_at"),
        "whose",
        label_column("state", STATE_LABELS),
        count_column("canceled"),
        time_column("finished_at"),
        "started_by",
        "reason",
    )
    list_select_related = ("account__user", "instrument", "started_by")
    filled_by = (
        "Kill above, or python manage.py kill: it halts everybody, a user or an instrument and "
        "cancels what is open."
    )
    actions_list = ("start",)

    @admin.display(description="Whose orders")
    def whose(self, row: Kill) -> str:
        return row.scope

    def has_start_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trading.change_order")

    @list_action(
        title="Kill",
        question="Orders are held back first; then all that are open are cancelled. Positions stay "
        "open and can be closed where orders may reduce. Resume on the page of the risk policy, "
        "the account or the instrument.",
        permission="start",
        icon="dangerous",
        variant=ActionVariant.DANGER,
        form_class=KillForm,
    )
    def start(self, request: HttpRequest, form: forms.Form) -> str:
        asked = form.cleaned_data
        if not request.user.has_perm(SCOPES[asked["scope"]][1]):
            raise Forbidden("You may not hold these orders back.")
        act = kill(
            scope=asked["meant"],
            state=TradingState(asked["state"]),
            reason=asked["reason"],
            by=caller(request),
            deadline=Deadline(WITHIN),
        )
        done = f"{act}: {act.state}, {counted(act.canceled, 'order')} cancelled"
        return f"{done}." if act.finished_at else f"{done}, some are left: kill again to go on."
