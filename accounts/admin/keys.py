"""API keys: issued here and shown in clear once, limited, rotated, revoked, never edited."""

from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.access import caller, may_change
from accounts.errors import InvalidNetworks
from accounts.key_terms import KeyTerms, has_passed
from accounts.keys import (
    LONGEST_OVERLAP,
    change_key_terms,
    issue_api_key,
    revoke_api_key,
    rotate_api_key,
)
from accounts.models import ApiKey, KeyScopes, User
from accounts.networks import LONGEST_LIST, checked_networks
from market.kernel.console.actions import ReasonForm, row_action
from market.kernel.console.bulk import bulk_action
from market.kernel.console.figures import label_column, time_column
from market.kernel.console.forms import ReasonedForm
from market.kernel.console.pages import KeptAdmin

SCOPE_LABELS: Final = {"read": "info", "read trade": "success"}
HOUR: Final = timedelta(hours=1)


def help_of(name: str) -> str:
    field: Any = ApiKey._meta.get_field(name)
    return str(field.help_text)


class ScopesField(forms.ChoiceField):
    """What a key may do."""

    def __init__(self) -> None:
        super().__init__(
            choices=KeyScopes.choices,
            initial=KeyScopes.READ_TRADE,
            help_text=help_of("scopes"),
            widget=UnfoldAdminSelectWidget,
        )


class ExpiryField(forms.DateTimeField):
    """An instant in UTC, to the second; empty is never."""

    def __init__(self) -> None:
        widget = UnfoldAdminTextInputWidget({"type": "datetime-local", "step": 1})
        super().__init__(required=False, widget=widget, help_text=help_of("expires_at"))

    def prepare_value(self, value: Any) -> Any:
        return f"{value:%Y-%m-%dT%H:%M:%S}" if hasattr(value, "year") else value


class NetworksField(forms.CharField):
    """Networks, one a line or with commas between them; empty is everywhere."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            max_length=LONGEST_LIST,
            widget=UnfoldAdminTextareaWidget({"rows": 3}),
            help_text=help_of("networks"),
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        try:
            return checked_networks(text.replace(",", " ").split())
        except InvalidNetworks as error:
            raise forms.ValidationError(error.detail) from error


class IssuedKeyForm(forms.ModelForm):
    """A new key; without an expiry or networks it is not limited by them."""

    scopes = ScopesField()
    expires_at = ExpiryField()
    networks = NetworksField()


class KeyForm(ReasonForm):
    """A dialog about the key on whose page it was opened; carries the version of its terms."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.terms = KeyTerms.of(ApiKey.objects.get(pk=self.object_id))
        self.initial["version"] = self.terms.version


class TermsForm(KeyForm):
    """Asks for the terms of a key."""

    field_order = ("scopes", "expires_at", "networks", "reason")
    scopes, expires_at, networks = ScopesField(), ExpiryField(), NetworksField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial |= {name: getattr(self.terms, name) for name in TERMS}


class RotationForm(KeyForm):
    """Asks how long the old secret still works, and for the expiry of the new one."""

    field_order = ("overlap", "expires_at", "reason")
    overlap = forms.IntegerField(
        label="Overlap, hours",
        min_value=0,
        max_value=LONGEST_OVERLAP // HOUR,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="For so long the old key still works; then it ends with its tokens and streams.",
    )
    expires_at = ExpiryField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expires_at"].help_text = "Of the new key, UTC; empty: never."
        if not has_passed(self.terms.expires_at):
            self.initial["expires_at"] = self.terms.expires_at


TERMS: Final = ("scopes", "expires_at", "networks")


@admin.register(ApiKey)
class ApiKeyAdmin(KeptAdmin):
    """Keys; one of a staff user opens everybody's data, so only a superuser issues that."""

    form, add_form_kind = IssuedKeyForm, ReasonedForm
    list_display = (
        "prefix",
        "user",
        "label",
        label_column("scopes", SCOPE_LABELS),
        time_column("created_at"),
        time_column("expires_at"),
        time_column("last_used_at"),
        time_column("revoked_at"),
    )
    list_filter = (
        ("revoked_at", admin.EmptyFieldListFilter),
        ("expires_at", admin.EmptyFieldListFilter),
        "scopes",
    )
    list_select_related = ("user",)
    search_fields = ("prefix", "label", "user__username")
    search_help_text = "Beginning of a key, label, or username"
    filled_by = "Issue a key here or on the page of a user: agents trade with one."
    autocomplete_fields = ("user",)
    fieldsets = (
        (None, {"fields": (("user", "label"), ("prefix", "created_at"), "replaces")}),
        ("Terms", {"fields": (("scopes", "expires_at"), "allowed_networks")}),
        ("Use", {"fields": (("last_used_at", "revoked_at"),)}),
    )
    add_fieldsets = (
        (None, {"fields": ("user", "label")}),
        ("Terms", {"fields": (("scopes", "expires_at"), "networks")}),
    )
    readonly_fields = (
        *("prefix", "created_at", "replaces"),
        *("allowed_networks", "last_used_at", "revoked_at"),
    )
    actions = ("revoke_selected",)
    actions_detail = ("change_terms", "rotate", "revoke")

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    def has_terms_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        key = self.get_object(request, object_id) if object_id else None
        may_revoke = self.has_revoke_permission(request)
        return may_revoke and (key is None or may_change(caller(request), key.user))

    def has_rotate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        may_issue = request.user.has_perm("accounts.add_apikey")
        return may_issue and self.has_terms_permission(request, object_id)

    @admin.display(description="Networks")
    def allowed_networks(self, key: ApiKey) -> str:
        return ", ".join(key.networks) or "Everywhere"

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        if not request.user.is_superuser:
            kwargs["queryset"] = User.objects.filter(is_staff=False, is_superuser=False)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        row, clear_key = issue_api_key(
            user=obj.user,
            label=obj.label,
            reason=form.cleaned_data["reason"],
            issued_by=caller(request),
            terms=KeyTerms(obj.scopes, obj.expires_at, obj.networks),
        )
        obj.pk, obj.prefix = row.pk, row.prefix
        request.issued_key = clear_key  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self.shown_once(request, obj, request.issued_key)  # type: ignore[attr-defined]

    def shown_once(self, request: HttpRequest, key: ApiKey, clear_key: str) -> HttpResponse:
        """Show the clear key in this one answer: it is kept in no cookie, session or log.

        A dialog shows the part of the page that says it in its own place.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": "API key issued",
            "api_key": key,
            "clear_key": clear_key,
        }
        in_dialog = {
            "HX-Retarget": "#dialog",
            "HX-Reselect": "#issued-key",
            "HX-Reswap": "innerHTML",
        }
        return TemplateResponse(request, "admin/api_key_issued.html", context, headers=in_dialog)

    @row_action(
        title="Change terms",
        question="They hold at once, for tokens and streams that there are too.",
        permission="terms",
        icon="tune",
        form_class=TermsForm,
    )
    def change_terms(self, request: HttpRequest, form: TermsForm, key: ApiKey) -> str:
        asked = form.cleaned_data
        change_key_terms(
            api_key=key,
            terms=KeyTerms(*(asked[name] for name in TERMS)),
            reason=asked["reason"],
            by=caller(request),
            version=asked["version"],
        )
        return f"The terms of {key} are changed."

    @row_action(
        title="Rotate",
        question="Issues a key of the same scopes and networks that replaces this one.",
        permission="rotate",
        icon="autorenew",
        form_class=RotationForm,
    )
    def rotate(self, request: HttpRequest, form: RotationForm, key: ApiKey) -> HttpResponse:
        fresh, clear_key = rotate_api_key(
            api_key=key,
            overlap=form.cleaned_data["overlap"] * HOUR,
            expires_at=form.cleaned_data["expires_at"],
            reason=form.cleaned_data["reason"],
            by=caller(request),
            version=form.cleaned_data["version"],
        )
        return self.shown_once(request, fresh, clear_key)

    @row_action(
        title="Revoke",
        question="This key and every token made with it ends at once, for good.",
        permission="revoke",
        icon="key_off",
        form_class=ReasonForm,
    )
    def revoke(self, request: HttpRequest, form: forms.Form, key: ApiKey) -> str:
        revoke_api_key(api_key=key, reason=form.cleaned_data["reason"], by=caller(request))
        return f"{key} of {key.user} is revoked."

    @bulk_action(
        title="Revoke the selected keys",
        question="These keys and every token made with them end at once, for good.",
        permission="revoke",
        done="revoked",
        what="key",
    )
    def revoke_selected(self, request: HttpRequest, key: ApiKey, reason: str) -> None:
        revoke_api_key(api_key=key, reason=reason, by=caller(request))
