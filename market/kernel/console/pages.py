"""Kinds of console pages: records that nobody edits, endless tables, configuration, policies."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib.admin import AdminSite, ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AutocompleteSelect
from django.contrib.postgres.fields import ArrayField
from django.db.models import DecimalField, Field, ForeignKey, JSONField, Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from market.kernel.amounts import EXACT
from market.kernel.console.actions import row_of
from market.kernel.console.figures import tidied
from market.kernel.console.search import number_of
from market.kernel.console.seeking import SeekingList
from market.kernel.errors import Conflict, ExchangeError
from market.kernel.versions import version_of

VERSION = "version"


class ShortDecimalField(forms.DecimalField):
    """A decimal whose input shows no trailing zeros and no exponent."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize(EXACT):f}" if isinstance(value, Decimal) else value


class RowSelect(AutocompleteSelect):
    """A search for a row; what is no key of any, in an address or a body, selects none."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> list[Any]:
        keys = [one for one in value if number_of(str(one)) is not None]
        return super().optgroups(name, keys, attr)


class RefusedForm(forms.ModelForm):
    """A form that says what a service refused when it was to be saved; empty is nothing."""

    refusal: ClassVar[str] = ""

    def clean(self) -> dict[str, Any] | None:
        if self.refusal:
            self.add_error(None, self.refusal)
        return super().clean()


class VersionedForm(RefusedForm):
    """A form that carries the version of the row which it shows."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = version_of(self.instance)


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
        kind = self.form_kind if obj is not None else RefusedForm
        refusal = getattr(request, "refusal", "")
        kwargs["form"] = type(asked.__name__, (kind, asked), {"refusal": refusal})
        form: type[forms.ModelForm] = super().get_form(request, obj, change=change, **kwargs)
        return form


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
    is told which version of the row the form showed, and refuses when that is not the present one.
    """

    change_form_before_template = "admin/version.html"
    form_kind = VersionedForm

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Leave the version to its own template."""
        return [name for name in super().get_fields(request, obj) if name != VERSION]

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Model:
        """Call the service that creates a row from the valid form and return the row."""
        raise NotImplementedError

    def configure(
        self, request: HttpRequest, row: Any, changes: dict[str, Any], version: str
    ) -> None:
        """Call the service that changes a row; ``changes`` holds new values by field."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        if not change:
            obj.pk = self.create(request, form.cleaned_data).pk
        elif form.changed_data:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            changes.pop(VERSION, None)
            self.configure(request, obj, changes, form.cleaned_data[VERSION])

    def revert_disabled(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row_of(self, request, object_id)
        return super().history_view(request, object_id, extra_context)

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row_of(self, request, object_id)
        if number_of(version_id) is None:
            raise Http404
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
