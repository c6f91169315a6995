"""KPI snapshots, alerts and their rules, ledger checks and heartbeats in the staff console."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.access import caller
from kpi.alerts.measures import MEASURES
from kpi.alerts.rules import acknowledge_alert, change_rule, create_rule
from kpi.audit.admin import AuditCheckAdmin, AuditRecordAdmin
from kpi.history.figures import COLUMNS
from kpi.lab.admin import LabCellAdmin, LabStudyAdmin
from kpi.models import Alert, AlertDelivery, AlertRule, Heartbeat, KpiSnapshot, LedgerCheck
from market.kernel.console.actions import for_each, row_action
from market.kernel.console.exports import ExportedAdmin, RecordResource
from market.kernel.console.figures import aligned, column, label_column, money_column, time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import ConfigurationAdmin, LargeRecordAdmin

__all__ = ["AuditCheckAdmin", "AuditRecordAdmin", "LabCellAdmin", "LabStudyAdmin"]

SEVERITY_LABELS = {"info": "info", "warning": "warning", "critical": "danger"}


def figure_column(field: str, title: str = "") -> Any:
    """Return a list column of a figure that is no amount."""
    return column(field, title, lambda value: aligned(f"{value:,.4g}"))


def count_column(field: str, title: str = "") -> Any:
    return column(field, title, lambda value: aligned(f"{value:,}"))


@admin.register(Heartbeat)
class HeartbeatAdmin(LargeRecordAdmin):
    list_display = (time_column("beat_at"),)
    list_filter = (("beat_at", DayFilter),)


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
        figure_column("seconds"),
        count_column("requests"),
        count_column("errors"),
        count_column("auth_failures"),
        count_column("rate_limit_hits", "429"),
        count_column("orders_accepted"),
        count_column("orders_rejected"),
        count_column("trades"),
        count_column("liquidations"),
        money_column("global_exposure", "Exposure, USDT"),
    )
    list_filter = (("slot", DayFilter),)
    resource_classes = (KpiSnapshotResource,)


@admin.register(LedgerCheck)
class LedgerCheckAdmin(LargeRecordAdmin):
    """What each recomputation of the ledger found."""

    list_display = (
        time_column("checked_at"),
        count_column("differences"),
        figure_column("seconds"),
    )
    list_filter = (("checked_at", DayFilter),)


class AlertRuleForm(forms.ModelForm):
    """Offers the measures that there are."""

    kind = forms.ChoiceField(
        choices=lambda: [(kind, f"{one.label}, {one.unit}") for kind, one in MEASURES.items()],
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
        "kind",
        figure_column("threshold"),
        count_column("window_seconds", "Window, s"),
        label_column("severity", SEVERITY_LABELS),
        "enabled",
    )
    list_filter = (("severity", ChoicesDropdownFilter), "enabled")
    search_fields = ("kind",)

    def create(self, request: HttpRequest, values: dict[str, Any]) -> AlertRule:
        return create_rule(**values)

    def configure(
        self, request: HttpRequest, row: AlertRule, changes: dict[str, Any], version: str
    ) -> None:
        change_rule(rule_id=row.pk, changes=changes, version=version)


@admin.register(Alert)
class AlertAdmin(LargeRecordAdmin):
    """Open alerts resolve by themselves; somebody acknowledges that they are looked after."""

    list_display = (
        "id",
        "rule",
        "subject",
        label_column("severity", SEVERITY_LABELS),
        figure_column("value"),
        figure_column("peak"),
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
            "Acknowledged",
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
        "attempts",
        "response_status",
        "error",
        time_column("delivered_at"),
    )
    list_filter = (("status", ChoicesDropdownFilter),)
    list_select_related = ("alert__rule",)
