"""API keys: issued here and shown in clear once, revoked, never edited."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import ForeignKey
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.access import caller
from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import ApiKey, User
from market.kernel.console.actions import ReasonForm, bulk_action, row_action
from market.kernel.console.figures import time_column
from market.kernel.console.pages import KeptAdmin, ReasonedForm


@admin.register(ApiKey)
class ApiKeyAdmin(KeptAdmin):
    """Keys; one of a staff user opens everybody's data, so only a superuser issues that."""

    add_form_kind = ReasonedForm
    list_display = (
        "prefix",
        "user",
        "label",
        time_column("created_at"),
        time_column("last_used_at"),
        time_column("revoked_at"),
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("prefix", "label", "user__username")
    search_help_text = "Beginning of a key, label, or username"
    filled_by = "Issue a key here or on the page of a user: agents trade with one."
    autocomplete_fields = ("user",)
    fieldsets = (
        (None, {"fields": (("user", "label"), ("prefix", "created_at"))}),
        ("Use", {"fields": (("last_used_at", "revoked_at"),)}),
    )
    add_fieldsets = ((None, {"fields": ("user", "label")}),)
    readonly_fields = ("prefix", "created_at", "last_used_at", "revoked_at")
    actions = ("revoke_selected",)
    actions_detail = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_apikey")

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
        )
        obj.pk, obj.prefix = row.pk, row.prefix
        request.issued_key = clear_key  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the clear key in this one answer: it is kept in no cookie, session or log."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key issued",
            "api_key": obj,
            "clear_key": request.issued_key,  # type: ignore[attr-defined]
        }
        return TemplateResponse(request, "admin/api_key_issued.html", context)

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
