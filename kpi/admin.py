"""KPI snapshots, alerts and their rules, ledger checks and heartbeats in the staff console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.access import caller
from kpi.alerts.measures import MEASURES, PARTS, Measure, name_of, written
from kpi.alerts.rules import acknowledge_alert, change_rule, create_rule
from kpi.audit.admin import AuditCheckAdmin, AuditRecordAdmin
from kpi.history.figures import COLUMNS
from kpi.lab.admin import LabCellAdmin, LabStudyAdmin
from kpi.models import Alert, AlertDelivery, AlertRule, Heartbeat, KpiSnapshot, LedgerCheck
from market.kernel.console.actions import row_action
from market.kernel.console.bulk import for_each
from market.kernel.console.exports import ExportedAdmin, RecordResource
from market.kernel.console.figures import (
    aligned,
    column,
    computed_column,
    count_column,
    label_column,
    money_column,
    time_column,
)
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import ConfigurationAdmin, LargeRecordAdmin

__all__ = ["AuditCheckAdmin", "AuditRecordAdmin", "LabCellAdmin", "LabStudyAdmin"]

SEVERITY_LABELS = {"info": "info", "warning": "warning", "critical": "danger"}


def seconds_column(field: str, title: str = "") -> Any:
    """Return a list column of a duration in seconds."""
    return column(field, title, lambda value: aligned(f"{value:,.2f} s"), is_figure=True)


def measured_column(field: str, title: str) -> Any:
    """Return a list column of a figure of an alert, in the unit of what its rule measures."""
    return computed_column(
        title, lambda alert: aligned(written(alert.rule.kind, getattr(alert, field)))
    )


def threshold_of(rule: AlertRule) -> str:
    """Write the threshold of a rule in the unit of what it measures."""
    return aligned(written(rule.kind, rule.threshold))


def window_of(rule: AlertRule) -> str:
    """Write the window of a rule; it is none of a level."""
    seconds = rule.window_seconds
    return aligned(f"{seconds // 60:,} min" if seconds % 60 == 0 else f"{seconds:,} s")


@admin.register(Heartbeat)
class HeartbeatAdmin(LargeRecordAdmin):
    list_display = (time_column("beat_at"),)
    list_filter = (("beat_at", DayFilter),)
    filled_by = "A Celery worker with beat writes one every few seconds: make run starts both."


class KpiSnapshotResource(RecordResource):
    """The KPI history; figures of several values are in the API."""

    class Meta:
        model = KpiSnapshot
        exclude = ("id", *(figure.name for figure in COLUMNS if figure.by))


@admin.register(KpiSnapshot)
class KpiSnapshotAdmin(ExportedAdmin, LargeRecordAdmin):
    """What the charts are drawn from."""

    list_display = (
        time_column("slot"),
        seconds_column("seconds", "Covers"),
        count_column("requests"),
        count_column("errors"),
        count_column("auth_failures"),
        count_column("rate_limit_hits"),
        count_column("orders_accepted"),
        count_column("orders_rejected"),
        count_column("trades"),
        count_column("liquidations"),
        money_column("global_exposure", "Exposure, USDT"),
    )
    list_filter = (("slot", DayFilter),)
    filled_by = "Beat takes one at each snapshot interval: make run starts it."
    resource_classes = (KpiSnapshotResource,)


@admin.register(LedgerCheck)
class LedgerCheckAdmin(LargeRecordAdmin):
    """What each recomputation of the ledger found."""

    list_display = (
        time_column("checked_at"),
        count_column("differences"),
        seconds_column("seconds", "Took"),
    )
    list_filter = (("checked_at", DayFilter),)
    filled_by = "Beat checks the ledger now and then, as manage.py check_ledger does by hand."


def unit_of(measure: Measure) -> str:
    """Return how a threshold is entered; 0.2 is 20 %."""
    return f"{measure.unit}, 1 is 100 %" if measure.unit in PARTS else measure.unit


class AlertRuleForm(forms.ModelForm):
    """Offers the measures that there are."""

    kind = forms.ChoiceField(
        label="Measure",
        choices=lambda: [(kind, f"{one.label} ({unit_of(one)})") for kind, one in MEASURES.items()],
        widget=UnfoldAdminSelectWidget,
        help_text="What is measured, and in which unit the threshold is.",
    )

    class Meta:
        model = AlertRule
        fields = ("kind", "threshold", "window_seconds", "severity", "enabled")


@admin.register(AlertRule)
class AlertRuleAdmin(ConfigurationAdmin):
    """A rule that is of no use is switched off: alerts of the past refer to it."""

    form = AlertRuleForm
    list_display = (
        column("kind", "Measure", name_of),
        computed_column("Threshold", threshold_of),
        computed_column("Window", window_of, "window_seconds"),
        label_column("severity", SEVERITY_LABELS),
        "enabled",
    )
    list_filter = (("severity", ChoicesDropdownFilter), "enabled")
    search_fields = ("kind",)
    filled_by = "The usual rules are made by the migrations; add one here."

    def create(self, request: HttpRequest, values: dict[str, Any]) -> AlertRule:
        return create_rule(**values)

    def configure(
        self, request: HttpRequest, row: AlertRule, changes: dict[str, Any], **asked: str
    ) -> None:
        change_rule(rule_id=row.pk, changes=changes, **asked)


@admin.register(Alert)
class AlertAdmin(LargeRecordAdmin):
    """Open alerts resolve by themselves; somebody acknowledges that they are looked after."""

    list_display = (
        "id",
        column("rule__kind", "Measure", name_of),
        "subject",
        label_column("severity", SEVERITY_LABELS),
        measured_column("value", "Value"),
        measured_column("peak", "Peak"),
        measured_column("threshold", "Threshold"),
        time_column("opened_at"),
        time_column("resolved_at"),
        "acknowledged_by",
    )
    list_filter = (
        ("severity", ChoicesDropdownFilter),
        ("resolved_at", admin.EmptyFieldListFilter),
        ("opened_at", DayFilter),
    )
    list_select_related = ("rule", "acknowledged_by")
    filled_by = "No rule has found anything: an alert opens when a measure passes its threshold."
    actions = ("acknowledge_selected",)
    actions_detail = ("acknowledge",)

    def has_acknowledge_permission(
        self, request: HttpRequest, object_id: str | None = None
    ) -> bool:
        return request.user.has_perm("kpi.change_alert")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Offer an alert that nobody has acknowledged."""
        alert = self.get_object(request, object_id)
        if alert is None or alert.acknowledged_at is not None:
            return []
        return super().get_actions_detail(request, object_id)

    @row_action(
        title="Acknowledge",
        question="Notes that you look after this alert. It resolves by itself.",
        permission="acknowledge",
        icon="task_alt",
    )
    def acknowledge(self, request: HttpRequest, form: forms.Form, alert: Alert) -> str:
        acknowledge_alert(alert_id=alert.pk, user=caller(request))
        return f"Alert {alert.pk} is acknowledged."

    @admin.action(description="Acknowledge", permissions=["acknowledge"])
    def acknowledge_selected(
        self, request: HttpRequest, alerts: QuerySet[Alert]
    ) -> HttpResponse | None:
        for_each(
            request,
            alerts,
            lambda alert: acknowledge_alert(alert_id=alert.pk, user=caller(request)),
            "acknowledged",
            "alert",
        )
        return None


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(LargeRecordAdmin):
    """What was sent to the webhook, and how it went."""

    list_display = (
        "id",
        "alert",
        "event",
        label_column("status", {"pending": "info", "delivered": "success", "failed": "danger"}),
        count_column("attempts"),
        "response_status",
        "error",
        time_column("delivered_at"),
    )
    list_filter = (("status", ChoicesDropdownFilter),)
    list_select_related = ("alert__rule",)
    filled_by = "Each alert sends a message where ALERT_WEBHOOK_URL names a webhook."
