"""Actions of the console on selected rows: they ask why of all, and tell how it went of each."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from market.kernel.console.actions import ReasonForm, because, staff_id
from market.kernel.console.figures import counted
from market.kernel.errors import ExchangeError

#: Of selected rows, so many are named before all are changed.
MOST_NAMED = 20
#: Rows that one action takes: each is a transaction of its own, within one request.
MOST_SELECTED = 1_000


def bulk_action(
    *, title: str, question: str, permission: str, done: str, what: str
) -> Callable[[Callable[[Any, HttpRequest, Any, str], Any]], Callable[..., HttpResponse | None]]:
    """Make a method an action on selected rows, called for each with the reason that all share.

    ``what`` and ``done`` are the words for it: ``order`` and ``canceled``. ``permission`` names a
    method ``has_<permission>_permission`` of the page. More rows than MOST_SELECTED are refused.
    """

    def decorate(
        run: Callable[[Any, HttpRequest, Any, str], Any],
    ) -> Callable[..., HttpResponse | None]:
        @admin.action(description=title, permissions=[permission])
        @wraps(run)
        def perform(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
            if rows[: MOST_SELECTED + 1].count() > MOST_SELECTED:
                messages.error(request, f"Select {MOST_SELECTED:,} at most; a filter makes fewer.")
                return None
            answered = "_form_submitted" in request.POST
            form = ReasonForm(data=request.POST if answered else None, request=request)
            if not form.is_valid():
                return ask_why(page, request, rows, form, title, question)
            reason = form.cleaned_data["reason"]
            for_each(request, rows, lambda row: run(page, request, row, reason), done, what, form)
            return None

        return perform

    return decorate


def ask_why(
    page: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    form: forms.Form,
    title: str,
    question: str,
) -> HttpResponse:
    """Answer the page that asks for the reason and carries the selection along."""
    kept = ("action", "select_across", ACTION_CHECKBOX_NAME)
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": title,
        "question": question,
        "form": form,
        "count": rows.count(),
        "named": [str(row) for row in rows[:MOST_NAMED]],
        "kept": [(name, value) for name in kept for value in request.POST.getlist(name)],
        "back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/ask_why.html", context)


def for_each(
    request: HttpRequest,
    rows: QuerySet[Any],
    call: Callable[[Any], Any],
    done: str,
    what: str,
    form: forms.BaseForm | None = None,
) -> None:
    """Call a service for each selected row and tell how it went, refusals included.

    ``what`` and ``done`` are the words for it: ``order`` and ``canceled``.

    What was done goes into the history of its row, with the reason of the form if one asked.
    """
    changed = []
    for row in rows:
        try:
            call(row)
            changed.append(row)
        except ExchangeError as error:
            messages.error(request, f"{row}: {error.detail}")
    if changed:
        said = f"{capfirst(done)}."
        kept = because(said, form) if form else said
        LogEntry.objects.log_actions(staff_id(request), changed, CHANGE, kept)
        messages.success(request, f"{counted(len(changed), what)} {done}.")
