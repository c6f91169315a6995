"""The page of an account: what it is worth, what it has at stake, and the staff's hand on it.

It stands here, not in ``accounts``, because it shows positions and orders.
"""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.access import caller
from accounts.admin.users import TIER_QUESTION, AccountTierForm
from accounts.models import Account, AccountKind, Tier, User
from accounts.selectors import listed_balance
from accounts.services import (
    adjust_balance,
    deposit,
    fund_insurance,
    resume_account,
    set_account_state,
    suspend_account,
    withdraw,
)
from market.kernel.console.actions import ReasonedAmountForm, list_action, row_action
from market.kernel.console.bulk import bulk_action
from market.kernel.console.figures import NOTHING, cents, computed_column, money, time_column
from market.kernel.console.pages import RecordAdmin
from market.kernel.console.states import but_useless, halts, reduces, resumes, state_actions
from market.kernel.states import TradingState
from trading.admin.statement import statement_context

#: What an account's state means, as the console says it.
TRADING: Final = {
    TradingState.HALTED: "The account of {} is suspended.",
    TradingState.REDUCING: "Orders of {} may only reduce positions.",
    TradingState.ACTIVE: "The account of {} trades again.",
}


def shown_balance(account: Account) -> str:
    """Write what an account holds; the page of a system account with a long history sums it up."""
    if account.user_id:
        return cents(account.balance)
    held = listed_balance(kind=AccountKind(account.kind))
    return "on its page" if held is None else cents(held)


def set_account(request: HttpRequest, account: Account, state: TradingState, reason: str) -> str:
    set_account_state(account=account, state=state, reason=reason, by=caller(request))
    return TRADING[state].format(account)


@admin.register(Account)
class AccountAdmin(RecordAdmin):
    """Balances change by transfers alone: each action here posts one, with a reason."""

    list_display = (
        "__str__",
        "kind",
        "tier",
        computed_column("Balance, USDT", shown_balance, "balance"),
        "suspended",
        "reducing",
        "throttled",
        time_column("created_at"),
    )
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        "suspended",
        "reducing",
        ("user__tier", ChoicesDropdownFilter),
    )
    list_select_related = ("user",)
    search_fields = ("user__username",)
    search_help_text = "Username, or the name of a system account"
    filled_by = "Each trader has one account: add a user under Users."
    change_form_after_template = "admin/account_statement.html"
    actions = ("suspend_selected", "resume_selected")
    actions_list = ("fund_insurance",)
    actions_detail = ("deposit", "withdraw", "adjust", "change_tier", "suspend", "reduce", "resume")

    @admin.display(description="Tier", ordering="user__tier")
    def tier(self, account: Account) -> str:
        return Tier(account.user.tier).label if account.user else NOTHING

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Say what the throttle counted only where it holds the account back."""
        why = ("throttled",) if obj and obj.throttled else ()
        fields = (("user", "kind"), ("suspended", "reducing"), *why, "created_at")
        return ((None, {"fields": fields}),)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Account], search_term: str
    ) -> tuple[QuerySet[Account], bool]:
        """Find system accounts by what they are called as well."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        term = search_term.strip().lower()
        kinds = [kind for kind in AccountKind if term and term in kind.label.lower()]
        return found | queryset.filter(kind__in=kinds, user=None), duplicates

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        curve = request.GET.get("curve", "")
        statement = statement_context(account, curve=curve) if account else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **statement}
        )

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer a user's account those of suspend, reduce and resume that change something."""
        account = self.get_object(request, object_id)
        if account is None or account.user_id is None:
            return []
        return but_useless(super().get_actions_detail(request, object_id), account.state)

    def has_post_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may move money here: system accounts move with users' accounts only."""
        return request.user.has_perm("accounts.add_transfer") and self.is_of_user(
            request, object_id
        )

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("accounts.change_account") and self.is_of_user(
            request, object_id
        )

    def has_tier_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the user may change the account's owner on the owner's own page."""
        users = self.admin_site.get_model_admin(User)
        account = self.get_object(request, object_id) if object_id else None
        return users.has_change_permission(request, account.user if account else None) and (
            self.is_of_user(request, object_id)
        )

    def is_of_user(self, request: HttpRequest, object_id: str | None) -> bool:
        """Tell whether a page is that of a user's account; a list is everybody's."""
        if object_id is None:
            return True
        account = self.get_object(request, object_id)
        return account is not None and account.kind == AccountKind.USER

    @row_action(
        title="Deposit",
        question="Moves money from outside into this account.",
        permission="post",
        icon="add_circle",
        form_class=ReasonedAmountForm,
    )
    def deposit(self, request: HttpRequest, form: forms.Form, account: Account) -> str:
        transfer = deposit(account=account, created_by=caller(request), **posted(form))
        return f"Transfer {transfer.pk}: deposited {money(transfer.amount)} USDT."

    @row_action(
        title="Withdraw",
        question="Moves money out of this account.",
        permission="post",
        icon="do_not_disturb_on",
        form_class=ReasonedAmountForm,
    )
    def withdraw(self, request: HttpRequest, form: forms.Form, account: Account) -> str:
        transfer = withdraw(account=account, created_by=caller(request), **posted(form))
        return f"Transfer {transfer.pk}: withdrew {money(transfer.amount)} USDT."

    @row_action(
        title="Adjust balance",
        question="Corrects the balance: a positive amount adds, a negative one takes.",
        permission="post",
        icon="tune",
        form_class=ReasonedAmountForm,
    )
    def adjust(self, request: HttpRequest, form: forms.Form, account: Account) -> str:
        transfer = adjust_balance(account=account, created_by=caller(request), **posted(form))
        amount = money(form.cleaned_data["amount"])
        return f"Transfer {transfer.pk}: adjusted the balance by {amount} USDT."

    @row_action(
        title="Change tier",
        question=TIER_QUESTION,
        permission="tier",
        icon="military_tech",
        form_class=AccountTierForm,
    )
    def change_tier(self, request: HttpRequest, form: AccountTierForm, account: Account) -> str:
        assert account.user is not None
        return form.change(account.user, caller(request))

    suspend, reduce, resume = state_actions(
        set_account,
        permission="suspend",
        buttons=(
            halts(
                "No order of this account is accepted. Its owner can still read and cancel.",
                name="suspend",
                title="Suspend",
                icon="block",
            ),
            reduces(
                "Orders of this account that open or add to a position are refused; those that "
                "reduce one are accepted, and resting orders may only reduce."
            ),
            resumes("Orders of this account are accepted again."),
        ),
    )

    @list_action(
        title="Fund insurance",
        question="Moves money from outside into the insurance fund.",
        permission="post",
        icon="health_and_safety",
        form_class=ReasonedAmountForm,
    )
    def fund_insurance(self, request: HttpRequest, form: forms.Form) -> str:
        transfer = fund_insurance(created_by=caller(request), **posted(form))
        return f"Transfer {transfer.pk}: {money(transfer.amount)} USDT into the insurance fund."

    @bulk_action(
        title="Suspend the selected accounts",
        question="No order of these accounts is accepted. Their owners can still read and cancel.",
        permission="suspend",
        done="suspended",
        what="account",
    )
    def suspend_selected(self, request: HttpRequest, account: Account, reason: str) -> None:
        suspend_account(account=account, reason=reason, by=caller(request))

    @bulk_action(
        title="Resume the selected accounts",
        question="Orders of these accounts are accepted again.",
        permission="suspend",
        done="resumed",
        what="account",
    )
    def resume_selected(self, request: HttpRequest, account: Account, reason: str) -> None:
        resume_account(account=account, reason=reason, by=caller(request))


def posted(form: forms.Form) -> dict[str, Any]:
    """Return amount and reason of a valid form."""
    return {"amount": form.cleaned_data["amount"], "reason": form.cleaned_data["reason"]}
