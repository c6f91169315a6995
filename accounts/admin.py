"""Users, API keys, accounts and the ledger in the staff console."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from accounts.keys import issue_api_key, revoke_api_key
from accounts.models import Account, AccountKind, AccountPolicy, ApiKey, Tier, Transfer, User
from accounts.services import (
    adjust_balance,
    change_tier,
    open_account,
    resume_account,
    suspend_account,
)
from market.amounts import AMOUNT_FIELD
from market.console import KeptAdmin, PolicyAdmin, RecordAdmin, for_each, plain
from market.errors import ExchangeError

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@admin.register(User)
class UserAdmin(DjangoUserAdmin, SimpleHistoryAdmin, KeptAdmin):
    """Traders and staff; a new user gets an account with the policy's opening balance."""

    form, add_form = UserChangeForm, UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "tier", "balance", "is_active", "is_staff", "date_joined"]
    list_filter = ["tier", "is_active", "is_staff", "account__suspended"]
    list_select_related = ["account"]
    search_fields = ["username", "email"]
    fieldsets = [
        (None, {"fields": ["username", "password", "tier", "is_active"]}),
        ("Staff", {"fields": ["is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "usable_password", "password1", "password2", "tier"]})
    ]
    readonly_fields = ["last_login", "date_joined"]
    actions = ["make_beginner", "make_intermediate", "make_advanced"]

    @admin.display(description="Balance, USDT", ordering="account__balance")
    def balance(self, user: User) -> str:
        account = getattr(user, "account", None)
        return plain(account.balance if account else None)

    @admin.action(description="Change tier to beginner", permissions=["change"])
    def make_beginner(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self.move(request, users, Tier.BEGINNER)

    @admin.action(description="Change tier to intermediate", permissions=["change"])
    def make_intermediate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self.move(request, users, Tier.INTERMEDIATE)

    @admin.action(description="Change tier to advanced", permissions=["change"])
    def make_advanced(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self.move(request, users, Tier.ADVANCED)

    def move(self, request: HttpRequest, users: QuerySet[User], tier: Tier) -> None:
        for_each(request, users, lambda user: change_tier(user=user, tier=tier), f"Now {tier}")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Only a superuser hands out rights."""
        rights = ["is_staff", "is_superuser", "groups", "user_permissions"]
        return [*self.readonly_fields, *([] if request.user.is_superuser else rights)]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            open_account(user=obj)


@admin.register(ApiKey)
class ApiKeyAdmin(KeptAdmin):
    """Keys are issued and revoked; the clear key is shown once, right after it was issued."""

    list_display = ["prefix", "user", "label", "created_at", "last_used_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["prefix", "label", "user__username"]
    fields = ["user", "label"]
    autocomplete_fields = ["user"]
    actions = ["revoke"]

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        for_each(request, keys, lambda key: revoke_api_key(api_key=key), "Revoked")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        row, clear_key = issue_api_key(user=obj.user, label=obj.label)
        obj.__dict__.update(row.__dict__)
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
        response = TemplateResponse(request, "admin/api_key_issued.html", context)
        response["Cache-Control"] = "no-store"
        return response


class AccountForm(forms.ModelForm):
    """An account with an optional balance change, which is posted as a transfer."""

    amount = forms.DecimalField(
        **AMOUNT_FIELD,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="USDT to add, or negative to take.",
    )
    reason = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept with the transfer, beside your name.",
    )

    class Meta:
        model = Account
        fields: list[str] = []


@admin.register(Account)
class AccountAdmin(KeptAdmin):
    """Balances change by transfers alone: a staff adjustment needs a reason."""

    form = AccountForm
    list_display = ["__str__", "kind", "shown_balance", "suspended", "created_at"]
    list_filter = ["kind", "suspended", "user__tier"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    readonly_fields = ["user", "kind", "shown_balance", "suspended", "created_at"]
    fieldsets = [
        (None, {"fields": ["user", "kind", "shown_balance", "suspended", "created_at"]}),
        ("Post a balance change", {"fields": ["amount", "reason"]}),
    ]
    actions = ["suspend", "resume"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:
        system = obj is not None and obj.kind != AccountKind.USER
        return not system and super().has_change_permission(request, obj)

    @admin.display(description="Balance, USDT", ordering="balance")
    def shown_balance(self, account: Account) -> str:
        return plain(account.balance)

    @admin.action(description="Suspend the selected accounts", permissions=["change"])
    def suspend(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        for_each(request, accounts, lambda row: suspend_account(account=row), "Suspended")

    @admin.action(description="Resume the selected accounts", permissions=["change"])
    def resume(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        for_each(request, accounts, lambda row: resume_account(account=row), "Resumed")

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Post the balance change; a refusal becomes a message and changes nothing."""
        amount, reason = form.cleaned_data.get("amount"), form.cleaned_data.get("reason", "")
        if not amount:
            return
        assert isinstance(request.user, User)
        try:
            transfer = adjust_balance(
                account=obj, amount=amount, reason=reason, created_by=request.user
            )
        except ExchangeError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"Posted transfer {transfer.pk} of {plain(amount)} USDT.")


@admin.register(AccountPolicy)
class AccountPolicyAdmin(SimpleHistoryAdmin, PolicyAdmin):
    list_display = ["__str__", "opening_balance"]


@admin.register(Transfer)
class TransferAdmin(RecordAdmin):
    """The ledger, append-only."""

    list_display = [
        "id",
        "created_at",
        "kind",
        "debit_account",
        "credit_account",
        "shown_amount",
        "reference",
        "reason",
        "created_by",
    ]
    list_filter = ["kind"]
    list_select_related = ["debit_account__user", "credit_account__user", "created_by"]
    search_fields = [
        "reference",
        "reason",
        "debit_account__user__username",
        "credit_account__user__username",
    ]

    @admin.display(description="Amount, USDT", ordering="amount")
    def shown_amount(self, transfer: Transfer) -> str:
        return plain(transfer.amount)
