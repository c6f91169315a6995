"""The ledger, which nobody edits, and the rules of new accounts."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from accounts.access import caller
from accounts.models import AccountPolicy, Transfer
from accounts.policy import change_account_policy
from market.kernel.console.exports import ExportedAdmin, RecordResource, text_field
from market.kernel.console.figures import money_column, time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin, PolicyAdmin
from market.kernel.console.search import FoundByNumberOrOwner


class TransferResource(RecordResource):
    """The ledger; a system account has no username."""

    debit_account = text_field("debit_account_id")
    credit_account = text_field("credit_account_id")
    debit_user = text_field("debit_account__user__username")
    credit_user = text_field("credit_account__user__username")
    debit_kind = text_field("debit_account__kind")
    credit_kind = text_field("credit_account__kind")
    created_by = text_field("created_by__username")

    class Meta:
        model = Transfer
        fields = export_order = (
            "id",
            "created_at",
            "kind",
            "debit_account",
            "debit_kind",
            "debit_user",
            "credit_account",
            "credit_kind",
            "credit_user",
            "amount",
            "reference",
            "reason",
            "created_by",
        )


@admin.register(Transfer)
class TransferAdmin(ExportedAdmin, FoundByNumberOrOwner, LargeRecordAdmin):
    """The ledger, append-only: a correction is another transfer, posted on an account's page."""

    list_display = (
        "id",
        time_column("created_at"),
        "kind",
        "debit_account",
        "credit_account",
        money_column("amount", "Amount, USDT"),
        "reference",
        "reason",
        "created_by",
    )
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("debit_account", AutocompleteSelectFilter),
        ("credit_account", AutocompleteSelectFilter),
        ("created_at", DayFilter),
    )
    list_select_related = ("debit_account__user", "credit_account__user", "created_by")
    owner_fields = ("debit_account", "credit_account")
    filled_by = "Each movement of money adds one: deposit on the page of an account, or add a user."
    resource_classes = (TransferResource,)


@admin.register(AccountPolicy)
class AccountPolicyAdmin(PolicyAdmin):
    fields = (
        "opening_balance",
        "staff_only_kpis",
        "staff_only_ticks",
        "sliding_limits",
        "request_weights",
    )

    def configure(
        self, request: HttpRequest, row: AccountPolicy, changes: dict[str, Any], **asked: str
    ) -> None:
        change_account_policy(policy=row, changes=changes, by=caller(request), **asked)
