"""Kinds of console pages: records that nobody edits, endless tables, configuration, policies."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import AdminSite, ShowFacets
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import PermissionDenied
from django.db.models import DecimalField, Field, ForeignKey, JSONField, Model, TextField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget

from market.kernel.console.actions import because, row_of
from market.kernel.console.figures import tidied
from market.kernel.console.forms import (
    REASON,
    VERSION,
    ReasonedForm,
    RefusedForm,
    RowSelect,
    ShortDecimalField,
    VersionedForm,
)
from market.kernel.console.history import changes_of, record_before, state_of, tell_changes
from market.kernel.console.search import number_of
from market.kernel.console.seeking import SeekingList
from market.kernel.errors import Conflict, ExchangeError


class FoundAdmin(ModelAdmin):
    """A page of a record that there is; any other address is answered with 404, not led astray.

    ``filled_by`` is what an empty list says would fill it.
    """

    filled_by: ClassVar[str]

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        raise Http404


class KeptAdmin(FoundAdmin):
    """A model that nobody deletes here, since history refers to it.

    What a service refuses while a form is saved is said above the form, which keeps what was
    entered.
    """

    form_kind: ClassVar[type[RefusedForm]] = RefusedForm
    add_form_kind: ClassVar[type[RefusedForm]] = RefusedForm
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

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the row of an address, None where it names none; ``_00`` in it stands for NUL."""
        if "\0" in unquote(object_id):
            return None
        return super().get_object(request, object_id, from_field)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Filter by no list and no object: a text may be none that the database can read."""
        named = lookup.split("__")[0]
        kinds = {type(field) for field in self.opts.concrete_fields if field.name == named}
        return not kinds & {ArrayField, JSONField} and super().lookup_allowed(
            lookup, value, request
        )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", RowSelect(db_field, self.admin_site))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

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
            request.refusal = error.detail  # type: ignore[attr-defined]
            response = super().changeform_view(request, object_id, form_url, extra_context)
            if isinstance(error, Conflict):
                response.status_code = error.status
            return response

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        asked: type[forms.ModelForm] = kwargs.get("form") or self.form
        kind = self.kind_of_form(request, obj)
        refusal = getattr(request, "refusal", "")
        kwargs["form"] = type(asked.__name__, (kind, asked), {"refusal": refusal})
        form: type[forms.ModelForm] = super().get_form(request, obj, change=change, **kwargs)
        return form

    def kind_of_form(self, request: HttpRequest, obj: Model | None) -> type[RefusedForm]:
        """Return what a form is besides its fields; who only looks is asked nothing."""
        if obj is None:
            return self.add_form_kind
        return self.form_kind if self.has_change_permission(request, obj) else RefusedForm

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for the reason below what it is about."""
        asked = [(name, options) for name, options in super().get_fieldsets(request, obj)]
        if issubclass(self.kind_of_form(request, obj), ReasonedForm):
            asked.append(("Why", {"fields": (REASON,)}))
        return asked

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Say in the staff log what a form changed, and why where it asks."""
        message = super().construct_change_message(request, form, formsets, add)
        if REASON not in form.fields:
            return message
        told = LogEntry(change_message=json.dumps(message)).get_change_message()
        return because(told, form)


class RecordAdmin(KeptAdmin):
    """What the exchange recorded or keeps: nobody adds or edits it, superusers included."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LargeRecordAdmin(RecordAdmin):
    """Records that grow without end: the list is never counted, and newest first.

    ``seeks_by`` names the columns that it can be sorted by as well, with their fields: each begins
    an index that ends with the key, newest first.
    """

    paginator = InfinitePaginator
    seeks_by: ClassVar[Mapping[Any, str]] = {}
    show_facets = ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[SeekingList]:
        return SeekingList

    def get_sortable_by(self, request: HttpRequest) -> tuple[Any, ...]:
        return tuple(self.seeks_by)


class ConfigurationAdmin(SimpleHistoryAdmin, KeptAdmin):
    """Configuration with its history; a former state can be looked at, not restored.

    A service writes the changed fields alone: the row may carry others that change meanwhile. It
    is told why, and which version of the row the form showed; it refuses when that is not the
    present one.
    """

    change_form_before_template = "admin/version.html"
    form_kind, add_form_kind = VersionedForm, ReasonedForm
    object_history_list_template = "admin/changes.html"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Ask for a text in a few lines: it says no more than some rules."""
        if isinstance(db_field, TextField):
            kwargs["widget"] = UnfoldAdminTextareaWidget({"rows": 4})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Leave the version to its own template, and the reason to its own fieldset."""
        own = {VERSION, REASON}
        return [name for name in super().get_fields(request, obj) if name not in own]

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Model:
        """Call the service that creates a row from the valid form and return the row."""
        raise NotImplementedError

    def configure(
        self, request: HttpRequest, row: Any, changes: dict[str, Any], **asked: str
    ) -> None:
        """Call the service that changes a row; ``changes`` holds new values by field.

        What else is ``asked`` are the service's ``version`` and ``reason``.
        """
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        if not change:
            obj.pk = self.create(request, form.cleaned_data).pk
        elif form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            asked = {name: form.cleaned_data[name] for name in (VERSION, REASON)}
            self.configure(request, obj, changes, **asked)

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row_of(self, request, object_id)
        return super().history_view(request, object_id, extra_context)

    def set_history_delta_changes(
        self, request: HttpRequest, historical_records: Sequence[Any], **options: Any
    ) -> None:
        tell_changes(list(historical_records))

    def facts_of(self, record: Any) -> list[tuple[str, str]]:
        """Return what else there is to say of a former state, each with its name."""
        return []

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a former state beside the present one; there is nothing to submit."""
        row: Any = row_of(self, request, object_id)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        number = number_of(version_id)
        record = row.history.filter(history_id=number).first() if number is not None else None
        if record is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": f"{row} as of {record.history_date:%Y-%m-%d %H:%M:%S}",
            "record": record,
            "changes": changes_of(record, record_before(record)),
            "state": state_of(record, row),
            "facts": self.facts_of(record),
        }
        return TemplateResponse(request, "admin/former_state.html", context)


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
