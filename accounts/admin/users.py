"""Traders and staff: created with an account, moved between tiers, given and deprived of rights."""

from collections.abc import Callable
from copy import copy
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import (
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from accounts.access import caller, may_change
from accounts.keys import revoke_api_keys
from accounts.models import Tier, User
from accounts.services import change_password, change_tier, change_user, create_user
from market.kernel.amounts import AMOUNT_FIELD
from market.kernel.console.actions import ReasonField, ReasonForm, link_action, row_action
from market.kernel.console.bulk import bulk_action
from market.kernel.console.figures import (
    NOTHING,
    cents,
    computed_column,
    counted,
    label_column,
    time_column,
)
from market.kernel.console.forms import REASON, ReasonedForm
from market.kernel.console.pages import ConfigurationAdmin, KeptAdmin
from market.kernel.errors import Forbidden
from market.kernel.versions import version_of

TIER_LABELS = {"beginner": "info", "intermediate": "warning", "advanced": "success"}
TIER_QUESTION = "The tier limits the leverage of new orders; open positions stay as they are."
RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, KeptAdmin):  # type: ignore[misc]
    """Sets of permissions for staff; only a superuser hands out rights, and says why.

    None is deleted, which would take rights without a reason: it is emptied instead.
    """

    form_kind = add_form_kind = ReasonedForm
    fields = ("name", "permissions")

    filled_by = "The group of regulators is made by the migrations; add one for staff here."

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)


class TraderForm(UserCreationForm):
    """A new trader; who works with an API key alone needs no password."""

    usable_password = forms.ChoiceField(
        label="Password login",
        required=False,
        initial="false",
        choices={"true": "Enabled", "false": "None: the user works with an API key"},
    )
    opening_balance = forms.DecimalField(
        **AMOUNT_FIELD,
        required=False,
        min_value=Decimal(0),
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="USDT deposited into the account; by default that of the account policy. "
        "Another one needs the right to add transfers.",
    )


class PasswordForm(AdminPasswordChangeForm):
    """Another password for a user, and why staff set it."""

    reason = ReasonField()
    reason.help_text = "Why this is done. The staff log and the audit trail keep it, for good."

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by

    def save(self, commit: bool = True) -> User:
        asked = self.cleaned_data
        password = asked["password1"] if asked["set_usable_password"] else None
        change_password(user=self.user, password=password, reason=asked["reason"], by=self.by)
        return cast(User, self.user)


class TierForm(ReasonForm):
    """Asks for a tier and carries the version of the user whose page it was opened on."""

    user_lookup: ClassVar[str] = "pk"
    field_order = ("tier", "reason")
    tier = forms.ChoiceField(choices=Tier.choices, widget=UnfoldAdminSelectWidget)
    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = User.objects.get(**{self.user_lookup: self.object_id})
        self.initial |= {"tier": user.tier, "version": version_of(user)}

    def change(self, user: User, by: User) -> str:
        """Move the user and return what was done."""
        asked = {name: self.cleaned_data[name] for name in ("version", "reason")}
        change_tier(user=user, tier=Tier(self.cleaned_data["tier"]), by=by, **asked)
        return f"{user} is now {user.get_tier_display()}."


class AccountTierForm(TierForm):
    """The same on the page of the user's account."""

    user_lookup = "account"


def balance_of(user: User) -> str:
    """Write what a trader's account holds; staff have none."""
    account = getattr(user, "account", None)
    return cents(account.balance) if account else NOTHING


def move_to(tier: Tier) -> Callable[..., HttpResponse | None]:
    """Return the action that moves selected users to a tier."""

    @bulk_action(
        title=f"Change tier to {tier}",
        question=TIER_QUESTION,
        permission="change",
        done=f"now {tier}",
        what="user",
    )
    def move(page: KeptAdmin, request: HttpRequest, user: User, reason: str) -> None:
        change_tier(user=user, tier=tier, by=caller(request), reason=reason)

    return move


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ConfigurationAdmin):  # type: ignore[misc]
    """Users; nobody but a superuser edits who works here."""

    form, add_form = UserChangeForm, TraderForm
    change_password_form = PasswordForm
    change_user_password_template = "admin/set_password.html"  # noqa: S105
    list_display = (
        "username",
        label_column("tier", TIER_LABELS),
        computed_column("Balance, USDT", balance_of, "account__balance"),
        "suspended",
        "is_active",
        "is_staff",
        time_column("date_joined"),
    )
    list_filter = (
        ("tier", ChoicesDropdownFilter),
        "is_active",
        "is_staff",
        "account__suspended",
    )
    list_select_related = ("account",)
    search_fields = ("username", "email", "first_name", "last_name")
    search_help_text = "Username, email or name"
    ordering = ("username",)
    filled_by = "Add a trader here, or run python manage.py seed_demo, which adds three and staff."
    fieldsets = (
        (None, {"fields": (("username", "tier"), ("email", "is_active"), "password")}),
        ("Staff", {"fields": (("is_staff", "is_superuser"), "groups", "user_permissions")}),
        ("Dates", {"fields": (("last_login", "date_joined"),)}),
    )
    add_fieldsets = (
        (None, {"fields": (("username", "tier"), "opening_balance")}),
        ("Console login", {"fields": ("usable_password", "password1", "password2")}),
    )
    actions = ("make_beginner", "make_intermediate", "make_advanced")
    actions_detail = ("open_account_page", "change_tier", "issue_key", "revoke_keys")

    @admin.display(description="Suspended", boolean=True)
    def suspended(self, user: User) -> bool | None:
        account = getattr(user, "account", None)
        return account.suspended if account else None

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """The tier is changed by its action; only a superuser hands out rights."""
        rights = () if request.user.is_superuser else RIGHTS
        return ("last_login", "date_joined", *(("tier",) if obj else ()), *rights)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Ask for the reason of a new user too, whose form is Django's own."""
        if obj is None:
            return [*self.add_fieldsets, ("Why", {"fields": (REASON,)})]
        return super().get_fieldsets(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return bool(allowed and (obj is None or may_change(caller(request), obj)))

    def create(self, request: HttpRequest, values: dict[str, Any]) -> User:
        password = values["password1"] if values["set_usable_password"] else None
        return create_user(
            username=values["username"],
            tier=Tier(values["tier"]),
            password=password,
            opening_balance=values["opening_balance"],
            created_by=caller(request),
            reason=values["reason"],
        )

    def configure(
        self, request: HttpRequest, row: User, changes: dict[str, Any], **asked: str
    ) -> None:
        """Groups and permissions are no fields of the row; the form saves them."""
        fields = {name: value for name, value in changes.items() if name not in RIGHTS[2:]}
        change_user(user=row, changes=fields, by=caller(request), **asked)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set a password as who asks, through a page of this request: its form knows them.

        Who was made staff since the page looked is refused as by the page itself.
        """
        page = copy(self)
        page.change_password_form = partial(  # type: ignore[assignment]
            PasswordForm, by=caller(request)
        )
        try:
            return DjangoUserAdmin.user_change_password(page, request, id, form_url)
        except Forbidden as error:
            raise PermissionDenied(error.detail) from error

    def has_edit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        user = self.get_object(request, object_id) if object_id else None
        return self.has_change_permission(request, user)

    def has_issue_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        may_issue = request.user.has_perm("accounts.add_apikey")
        return may_issue and self.has_edit_permission(request, object_id)

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @row_action(
        title="Change tier",
        question=TIER_QUESTION,
        permission="edit",
        icon="military_tech",
        form_class=TierForm,
    )
    def change_tier(self, request: HttpRequest, form: TierForm, user: User) -> str:
        return form.change(user, caller(request))

    @row_action(
        title="Revoke all keys",
        question="Every API key of this user and every token made with one ends at once.",
        permission="revoke",
        icon="key_off",
        form_class=ReasonForm,
    )
    def revoke_keys(self, request: HttpRequest, form: forms.Form, user: User) -> str:
        reason = form.cleaned_data["reason"]
        count = revoke_api_keys(user=user, reason=reason, by=caller(request))
        return f"{counted(count, 'key')} of {user} revoked."

    @link_action(title="Issue API key", permission="issue", icon="key")
    def issue_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(f"{reverse('admin:accounts_apikey_add')}?user={object_id}")

    @link_action(title="Account", permission="view", icon="account_balance_wallet")
    def open_account_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = self.get_object(request, object_id)
        account = getattr(user, "account", None)
        if account is None:
            return redirect(reverse("admin:accounts_account_changelist"))
        return redirect(reverse("admin:accounts_account_change", args=[account.pk]))

    make_beginner, make_intermediate, make_advanced = (move_to(tier) for tier in Tier)
