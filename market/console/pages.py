"""Kinds of console pages: records that nobody edits, endless tables, configuration, policies."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite, ShowFacets
from django.db.models import DecimalField, Field, Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from market.amounts import EXACT
from market.console.figures import tidied
from market.errors import ExchangeError


class ShortDecimalField(forms.DecimalField):
    """A decimal whose input shows no trailing zeros and no exponent."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize(EXACT):f}" if isinstance(value, Decimal) else value


class KeptAdmin(ModelAdmin):
    """A model that nobody deletes here, since history refers to it.

    What a service refuses while a form is saved becomes a message.
    """

    list_filter_submit = True
    list_per_page = 50
    show_full_result_count = False
    formfield_overrides: ClassVar[Mapping[type[Field], Mapping[str, Any]]] = {
        DecimalField: {"form_class": ShortDecimalField}
    }

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        decimals = (field for field in model._meta.fields if isinstance(field, DecimalField))
        self.readonly_preprocess_fields = {field.name: tidied for field in decimals}

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ExchangeError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect(request.get_full_path())


class RecordAdmin(KeptAdmin):
    """What the exchange recorded or keeps: nobody adds or edits it, superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LargeRecordAdmin(RecordAdmin):
    """Records that grow without end: the list is never counted and sorted by its key alone."""

    paginator = InfinitePaginator
    sortable_by = ()
    show_facets = ShowFacets.NEVER


class ConfigurationAdmin(SimpleHistoryAdmin, KeptAdmin):
    """Configuration with its history; a former state can be looked at, not restored.

    A service writes the changed fields alone: the row may carry others that change meanwhile.
    """

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Model:
        """Call the service that creates a row from the valid form and return the row."""
        raise NotImplementedError

    def configure(self, request: HttpRequest, row: Any, changes: dict[str, Any]) -> None:
        """Call the service that changes a row; ``changes`` holds new values by field."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        if not change:
            obj.pk = self.create(request, form.cleaned_data).pk
        elif form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            self.configure(request, obj, changes)

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST":
            return redirect(request.path)
        return super().history_form_view(request, object_id, version_id, extra_context)


class PolicyAdmin(ConfigurationAdmin):
    """The one row of a policy: changed, never added; its list leads straight to it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        options = self.model._meta
        name = f"{self.admin_site.name}:{options.app_label}_{options.model_name}_change"
        return redirect(reverse(name, args=[1]))
