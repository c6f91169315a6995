"""Buttons of the console: each opens a dialog, calls one service and says what it did.

Every action asks first and acts on POST alone, so that no link can trigger one. What changes what
governs others asks why (``ReasonForm``); the staff log keeps the answer beside what was done.
Those on selected rows: ``bulk``.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from market.kernel.errors import ExchangeError
from market.kernel.reasons import LONGEST_REASON, checked_reason

#: An action returns the sentence that tells what it did, or a response of its own.
Outcome = str | HttpResponse
ListAction = Callable[[Any, HttpRequest, forms.Form], Outcome]
RowAction = Callable[[Any, HttpRequest, Any, Any], Outcome]
View = Callable[..., HttpResponse]


class ReasonField(forms.CharField):
    """The question that every change which governs others asks; refuses as services do."""

    def __init__(self) -> None:
        kept = "Why this is done. Kept with it in the history and the audit trail, for good."
        widget = UnfoldAdminTextInputWidget
        super().__init__(max_length=LONGEST_REASON, widget=widget, help_text=kept)

    def clean(self, value: Any) -> Any:
        try:
            return checked_reason(super().clean(value))
        except ExchangeError as error:
            raise ValidationError(error.detail) from error


class ReasonForm(BaseDialogForm):
    """Asks why."""

    reason = ReasonField()


class ReasonedAmountForm(ReasonForm):
    """Asks for an amount of USDT and why it moves."""

    field_order = ("amount", "reason")
    amount = forms.DecimalField(
        max_digits=28,
        decimal_places=8,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="In USDT.",
    )


def list_action(
    *,
    title: str,
    question: str,
    permission: str,
    icon: str,
    form_class: type[forms.Form] = BaseDialogForm,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[ListAction], View]:
    """Make a method the button above a list; it is called with the valid form of the dialog.

    ``permission`` names a method ``has_<permission>_permission`` of the page.
    """

    def decorate(run: ListAction) -> View:
        @wraps(run)
        def perform(page: Any, request: HttpRequest, form: forms.Form) -> HttpResponse:
            return answer(request, lambda: run_on_list(run, page, request, form))

        return dialog(perform, title, question, permission, icon, form_class, variant)

    return decorate


def row_action(
    *,
    title: str,
    question: str,
    permission: str,
    icon: str,
    form_class: type[forms.Form] = BaseDialogForm,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[RowAction], View]:
    """Make a method a button of one row; it is called with the valid form and the row.

    What it did goes into the row's history. ``permission`` names a method
    ``has_<permission>_permission`` of the page, which is given the row's id.
    """

    def decorate(run: RowAction) -> View:
        @wraps(run)
        def perform(
            page: Any, request: HttpRequest, form: forms.Form, object_id: str
        ) -> HttpResponse:
            row = row_of(page, request, object_id)
            return answer(request, lambda: run_on_row(run, page, request, form, row))

        view = dialog(perform, title, question, permission, icon, form_class, variant)

        @wraps(view)
        def on_a_row(page: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            row_of(page, request, object_id)
            return view(page, request, object_id=object_id)

        return on_a_row

    return decorate


def row_of(page: Any, request: HttpRequest, object_id: str) -> Model:
    """Return the row of an address. Raises Http404 where it names none."""
    row: Model | None = page.get_object(request, object_id)
    if row is None:
        raise Http404
    return row


def link_action(*, title: str, permission: str, icon: str) -> Callable[[View], View]:
    """Make a method the button of one row that leads to another page and changes nothing."""

    def decorate(lead: View) -> View:
        view: View = action(description=title, permissions=[permission], icon=icon)(lead)
        return view

    return decorate


def run_on_list(run: ListAction, page: Any, request: HttpRequest, form: forms.Form) -> Outcome:
    """Run an action and note what it did in the staff log, as about the kind of its list."""
    outcome = run(page, request, form)
    note_on_list(page, request, because(said_of(run, outcome), form))
    return outcome


def note_on_list(page: Any, request: HttpRequest, said: str) -> None:
    """Write into the staff log what was done that is about no single row."""
    LogEntry.objects.create(
        user_id=staff_id(request),
        content_type=ContentType.objects.get_for_model(page.model),
        object_repr=str(page.opts.verbose_name_plural),
        action_flag=CHANGE,
        change_message=said,
    )


def run_on_row(
    run: RowAction, page: Any, request: HttpRequest, form: forms.Form, row: Model
) -> Outcome:
    """Run an action and note what it did in the history of its row."""
    outcome = run(page, request, form, row)
    page.log_change(request, row, because(said_of(run, outcome), form))
    return outcome


def because(said: str, form: forms.BaseForm) -> str:
    """Add the reason that a valid form has to what the staff log says."""
    reason = form.cleaned_data.get("reason")
    return f"{said} Reason: {reason}" if reason else said


def said_of(run: Callable[..., Outcome], outcome: Outcome) -> str:
    return outcome if isinstance(outcome, str) else run.__name__.replace("_", " ")


def staff_id(request: HttpRequest) -> int:
    """Return who is at the console."""
    assert request.user.pk is not None
    return request.user.pk


def answer(request: HttpRequest, run: Callable[[], Outcome]) -> HttpResponse:
    """Run an action, tell in a message what it did or why not, and lead back to its page."""
    try:
        outcome = run()
    except ExchangeError as error:
        messages.error(request, error.detail)
    else:
        if isinstance(outcome, HttpResponse):
            return outcome
        messages.success(request, outcome)
    return lead_back(request)


def lead_back(request: HttpRequest) -> HttpResponse:
    """Redirect to the page that the dialog was opened on, else to the home page."""
    came_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    if not url_has_allowed_host_and_scheme(came_from, {request.get_host()}):
        came_from = reverse("admin:index")
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": came_from})
    return HttpResponseRedirect(came_from)


def dialog(
    perform: Callable[..., HttpResponse],
    title: str,
    question: str,
    permission: str,
    icon: str,
    form_class: type[forms.Form],
    variant: ActionVariant,
) -> View:
    """Put a confirming dialog before a view."""
    ask = {
        "title": title,
        "description": question,
        "form_class": form_class,
        "form_submit_text": title,
    }
    view: View = action(
        description=title, permissions=[permission], icon=icon, variant=variant, dialog=ask
    )(perform)
    return view
