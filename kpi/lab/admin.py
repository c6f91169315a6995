"""Studies of the policy lab in the staff console: progress, comparison, a policy put in force."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from kpi.lab.console import comparison_context, described, study_context
from kpi.lab.models import LabCell, LabStudy
from kpi.lab.policies import changes_of, policy_names, put_in_force
from kpi.lab.selectors import progress_in, with_counts
from market.kernel.console.actions import ReasonForm, link_action, row_action, row_of
from market.kernel.console.figures import (
    aligned,
    column,
    computed_column,
    label_column,
    time_column,
)
from market.kernel.console.pages import LargeRecordAdmin, RecordAdmin
from market.kernel.console.search import number_of
from risk.selectors import policy_in_force

STATE_LABELS = {"queued": "default", "running": "info", "done": "success", "failed": "danger"}


def short(digest: str) -> str:
    return aligned(f"{digest[:12]}…") if digest else ""


def done_of(study: LabStudy) -> str:
    """Write how many cells of a study are done."""
    now = progress_in(study)
    return aligned(f"{now.done:,} of {now.total:,}")


class PolicyForm(ReasonForm):
    """Asks which policy of a study is put in force, in the place of the one that it showed."""

    seen = forms.CharField(widget=forms.HiddenInput)
    policy = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    field_order = ("seen", "policy", "reason")

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        present = policy_in_force()
        self.fields["seen"].initial = present.digest
        key = number_of(object_id)
        for study in LabStudy.objects.filter(pk=key) if key is not None else []:
            self.fields["policy"].choices = [("", "Choose one")] + [
                (name, f"{name}: {described(changes_of(study, name, present))}")
                for name in policy_names(study)
            ]


@admin.register(LabStudy)
class LabStudyAdmin(RecordAdmin):
    """A study with its cells; what it says stands on a page of its own."""

    list_display = (
        "name",
        "state",
        computed_column("Cells done", done_of),
        "baseline",
        column("digest", "Digest", short),
        time_column("created_at"),
        "created_by",
    )
    list_select_related = ("created_by",)
    search_fields = ("name", "digest")
    search_help_text = "Name or digest"
    filled_by = (
        "A study asks which policy would have done better: python manage.py lab run "
        "docs/studies/demo.toml adds one."
    )
    fieldsets = (
        (None, {"fields": (("name", "baseline"), "question", "digest", "created_at")}),
        ("All that determines it", {"fields": ("canonical",), "classes": ("collapse",)}),
    )
    change_form_after_template = "lab/study.html"
    actions_detail = ("comparison", "put_in_force")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabStudy]:
        return with_counts(super().get_queryset(request))

    @admin.display(description="State")
    def state(self, study: LabStudy) -> str:
        return progress_in(study).state

    state.label = STATE_LABELS  # type: ignore[attr-defined]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        study = self.get_object(request, object_id)
        shown = study_context(study) if study else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @link_action(title="Comparison", permission="view", icon="query_stats")
    def comparison(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a study says."""
        study: Any = row_of(self, request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **comparison_context(study, metric=request.GET.get("metric", "")),
            "opts": self.opts,
            "title": str(study),
        }
        return TemplateResponse(request, "lab/comparison.html", context)

    def has_force_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perms(("risk.change_riskpolicy", "risk.change_leveragelimit"))

    @row_action(
        title="Put in force",
        question="The exchange goes by this policy at once, its leverage limits included. A halt "
        "of trading stays as it is, and positions stay open. The audit trail names the study.",
        permission="force",
        icon="gavel",
        form_class=PolicyForm,
        variant=ActionVariant.DANGER,
    )
    def put_in_force(self, request: HttpRequest, form: forms.Form, study: LabStudy) -> str:
        name = form.cleaned_data["policy"]
        asked = {key: form.cleaned_data[key] for key in ("seen", "reason")}
        put_in_force(study=study, name=name, **asked)
        return f"The policy {name} of the study {study.digest} is in force."


@admin.register(LabCell)
class LabCellAdmin(LargeRecordAdmin):
    """Every cell, whatever studies have it; a failed one says why."""

    list_display = (
        "__str__",
        label_column("state", STATE_LABELS),
        column("cpu_seconds", "Processor", lambda s: aligned(f"{s:,.2f} s"), is_figure=True),
        column("key", "Key", short),
        column("digest", "Digest", short),
        time_column("finished_at"),
    )
    list_filter = (("state", ChoicesDropdownFilter),)
    filled_by = "Each study of the policy lab adds its cells: one policy, one seed, one variant."
    exclude = ("series",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabCell]:
        return super().get_queryset(request).defer("series")
