"""What every page of the staff console shares: read-only models and numbers that read well."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from market.errors import ExchangeError


class RecordAdmin(ModelAdmin):
    """A model that staff look at and never change: history, or a figure that the system keeps."""

    show_full_result_count = False
    list_filter_submit = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class KeptAdmin(ModelAdmin):
    """A model that staff change but never delete: history refers to it."""

    show_full_result_count = False
    list_filter_submit = True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PolicyAdmin(KeptAdmin):
    """A model with one row: changed, with history, never added."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


def plain(value: Decimal | None) -> str:
    """Write an amount with thousands separators and no trailing zeros."""
    if value is None:
        return "–"
    text = f"{value:,.8f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def for_each(
    request: HttpRequest, rows: QuerySet[Any], call: Callable[[Any], Any], done: str
) -> None:
    """Call a service for each selected row and tell staff how it went, refusals included."""
    count = 0
    for row in rows:
        try:
            call(row)
            count += 1
        except ExchangeError as error:
            messages.error(request, f"{row}: {error.detail}")
    if count:
        messages.success(request, f"{done}: {count}.")
