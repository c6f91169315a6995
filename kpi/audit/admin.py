"""The audit trail in the staff console: read, verified, exported; nobody writes it."""

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from kpi.audit.checks import check_audit
from kpi.audit.export import FORMATS
from kpi.audit.models import AuditCheck, AuditHead, AuditRecord
from kpi.audit.sealing import CHUNK, seal_records
from kpi.audit.selectors import portable_values
from kpi.audit.telling import changes_in, facts_in, summary
from kpi.errors import AuditBroken
from market.kernel.console.actions import link_action, list_action, note_on_list
from market.kernel.console.exports import readable_filters
from market.kernel.console.figures import (
    NOTHING,
    aligned,
    column,
    count_column,
    label_column,
    time_column,
)
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin
from market.kernel.console.search import FoundByNumberOrOwner
from market.kernel.jobs import send_job

#: A longer trail is verified by the worker; what a request would wait for is too long.
MOST_IN_REQUEST: Final = 100_000
KIND_LABELS = {
    "staff_action": "info",
    "configuration_change": "warning",
    "rights_change": "warning",
    "account_change": "warning",
    "api_key_change": "info",
    "balance_change": "success",
    "order_rejected": "default",
    "order_expired": "default",
    "liquidation": "danger",
    "answer_settled": "info",
    "price_halt": "danger",
    "price_set": "warning",
}
#: Pages of the facts whose references do not name them already, as app.model:key.
PAGES = {
    "order": "trading.order",
    "liquidation": "trading.liquidation",
    "transfer": "accounts.transfer",
    "admin_log": "admin.logentry",
}
#: A list shows so much of what a record says; its page shows all.
LONGEST_SUMMARY: Final = 120
LINK = "text-primary-600 dark:text-primary-500"
CONTENT_TYPES = {"csv": "text/csv", "jsonl": "application/jsonl"}


def address_of(reference: str) -> str:
    """Return the address of a fact's page; empty where there is none."""
    kind, _, key = reference.partition(":")
    page = PAGES.get(kind, kind).replace(".", "_")
    try:
        return reverse(f"admin:{page}_change", args=[key])
    except NoReverseMatch:
        return ""


def short(digest: str) -> str:
    return aligned(f"{digest[:12]}…") if digest else ""


@admin.register(AuditRecord)
class AuditRecordAdmin(FoundByNumberOrOwner, LargeRecordAdmin):
    """Newest first; a record without a number waits for its sealing, some seconds."""

    list_display = (
        "shown_number",
        time_column("occurred_at"),
        label_column("kind", KIND_LABELS),
        "actor",
        "user",
        "fact",
        "what",
        "why",
        column("hash", "Hash", short),
    )
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("actor", AutocompleteSelectFilter),
        ("user", AutocompleteSelectFilter),
        ("occurred_at", DayFilter),
    )
    list_select_related = ("actor", "user")
    search_help_text = "Number, reference (order:17), or beginning of a username"
    number_fields = ("sequence",)
    filled_by = "Staff actions, changes, refused orders and close-outs are recorded as they happen."
    fieldsets = (
        (None, {"fields": (("sequence", "kind", "fact"), ("occurred_at", "recorded_at"))}),
        ("Who", {"fields": (("actor", "user", "account"),)}),
        ("What", {"fields": ("told",)}),
        ("Chain", {"fields": ("details", "previous_hash", "hash")}),
    )
    readonly_fields = ("fact", "told")
    actions_list = ("verify", "export_jsonl", "export_csv")

    @admin.display(description="Number")
    def shown_number(self, record: AuditRecord) -> str:
        return "not sealed yet" if record.sequence is None else aligned(str(record.sequence))

    @admin.display(description="Fact")
    def fact(self, record: AuditRecord) -> str:
        href = address_of(record.reference)
        if not href:
            return record.reference
        return format_html('<a class="{}" href="{}">{}</a>', LINK, href, record.reference)

    @admin.display(description="What")
    def what(self, record: AuditRecord) -> str:
        said = Truncator(summary(record.details)).chars(LONGEST_SUMMARY)
        return format_html('<span style="display: block; min-width: 14rem">{}</span>', said)

    @admin.display(description="Why")
    def why(self, record: AuditRecord) -> str:
        return str(record.details.get("reason") or NOTHING)

    @admin.display(description="Told")
    def told(self, record: AuditRecord) -> str:
        """Return what the record says as lines, ``20 → 15`` of a change, and why."""
        said = {
            "changes": changes_in(record.details),
            "facts": facts_in(record.details),
            "reason": record.details.get("reason"),
        }
        return render_to_string("admin/audit_record.html", said)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditRecord], search_term: str
    ) -> tuple[QuerySet[AuditRecord], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        term = search_term.strip()
        return found | queryset.filter(reference=term) if term else found, duplicates

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Let the buttons of the exports carry the list's filters along."""
        response = super().changelist_view(request, extra_context)
        for button in getattr(response, "context_data", {}).get("actions_list", ()):
            if "export" in button["path"]:
                button["path"] += f"?{request.GET.urlencode()}"
        return response

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("kpi.add_auditcheck")

    @list_action(
        title="Verify now",
        question="Recomputes every hash and looks for facts without a record.",
        permission="verify",
        icon="fact_check",
    )
    def verify(self, request: HttpRequest, form: forms.Form) -> str:
        if AuditHead.objects.get(id=1).sequence > MOST_IN_REQUEST:
            send_job("kpi.tasks.check_audit", full=True)
            return "The trail is long: the worker verifies it. See the audit checks in a while."
        check = check_audit()
        if check is None:
            return "A verification is running already. See the audit checks in a while."
        if check.differences:
            raise AuditBroken(f"{check}: {'; '.join(check.details)}.")
        return f"{check.records:,} records are sound; the last has the hash {check.hash}."

    @link_action(title="Export JSON Lines", permission="view", icon="download")
    def export_jsonl(self, request: HttpRequest) -> HttpResponse:
        return self.export(request, "jsonl")

    @link_action(title="Export CSV", permission="view", icon="download")
    def export_csv(self, request: HttpRequest) -> HttpResponse:
        return self.export(request, "csv")

    def export(self, request: HttpRequest, form: str) -> HttpResponse:
        """Stream the sealed records under the list's filters, in their order."""
        seal_records(most=CHUNK)
        with readable_filters():
            listed = self.get_changelist_instance(request).queryset
        rows = listed.filter(sequence__isnull=False).order_by("sequence")
        note_on_list(self, request, f"Exported as {form}.")
        return StreamingHttpResponse(  # type: ignore[return-value]
            FORMATS[form](portable_values(rows)),
            content_type=f"{CONTENT_TYPES[form]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="audit.{form}"'},
        )


@admin.register(AuditCheck)
class AuditCheckAdmin(LargeRecordAdmin):
    """What each verification of the audit trail found."""

    list_display = (
        time_column("checked_at"),
        count_column("records"),
        column("is_full", "In full", lambda value: "yes" if value else "since the last"),
        count_column("differences"),
        column("seconds", "Took", lambda value: aligned(f"{value:,.2f} s"), is_figure=True),
        column("hash", "Hash", short),
    )
    list_filter = (("checked_at", DayFilter),)
    filled_by = "Verify now, above the audit trail, adds one; beat does so now and then."
