"""Opens and resolves alerts. A rule has one open alert at most, however many workers look.

A rule about events has one alert per event, however short the event was.

An alert resolves some way below its threshold, so that a figure at the threshold does not flap.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeGuard

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from kpi.alerts.measures import MEASURES, Event
from kpi.errors import AlreadyAcknowledged, UnknownMeasure
from kpi.history.windows import Windows
from kpi.models import Alert, AlertDelivery, AlertRule
from market.kernel.reasons import checked_reason
from market.kernel.versions import write_configuration

log = structlog.get_logger(__name__)

#: An open alert resolves at this share of its rule's threshold.
RESOLVES_AT: Final = 0.9


def evaluate_rules() -> None:
    """Compare the measure of every rule with its threshold; a broken measure stops no other."""
    windows = Windows()
    open_alerts = Alert.objects.filter(resolved_at=None).order_by("rule")
    alerted = {*open_alerts.values_list("rule", flat=True).distinct()}
    for rule in AlertRule.objects.all():
        try:
            evaluate_rule(rule, windows, is_alerted=rule.pk in alerted)
        except (ArithmeticError, LookupError, ValueError) as error:
            log.error("measure_failed", kind=rule.kind, error=repr(error))


def evaluate_rule(rule: AlertRule, windows: Windows, *, is_alerted: bool) -> None:
    """Look at what a rule measures: one figure, or events.

    No rule is locked whose figure is in order and of which no alert says otherwise.
    """
    if (read_events := MEASURES[rule.kind].events) is None:
        value = read_measure(rule, windows)
        if is_alerted or exceeds(value, rule):
            apply_rule(rule_id=rule.pk, value=value)
    else:
        events = read_events(timedelta(seconds=rule.window_seconds)) if rule.enabled else ()
        apply_events(rule_id=rule.pk, events=events)


def read_measure(rule: AlertRule, windows: Windows) -> float | None:
    """Return what a rule measures; None if it is off, or if there is nothing to measure."""
    if not rule.enabled:
        return None
    return MEASURES[rule.kind].read(timedelta(seconds=rule.window_seconds), windows)


def exceeds(value: float | None, rule: AlertRule) -> TypeGuard[float]:
    """Return whether a measure calls for an alert; what is not measured does not."""
    return value is not None and value > rule.threshold


@transaction.atomic
def apply_rule(*, rule_id: int, value: float | None) -> None:
    """Open, update or resolve the alert of a rule whose measure is ``value``.

    None resolves: what is not measured is not wrong.
    """
    rule = AlertRule.objects.select_for_update().get(pk=rule_id)
    alert = Alert.objects.filter(rule=rule, resolved_at=None).first()
    now = timezone.now()
    if alert is None:
        if exceeds(value, rule):
            open_alert(rule, value, now)
    elif value is None or value <= RESOLVES_AT * rule.threshold:
        resolve_alert(alert, now)
    elif exceeds(value, rule):
        alert.value, alert.peak, alert.last_seen_at = value, max(alert.peak, value), now
        alert.save(update_fields=["value", "peak", "last_seen_at"])


@transaction.atomic
def apply_events(*, rule_id: int, events: Sequence[Event]) -> None:
    """Open the alert of each event above the threshold once; resolve those of ended events."""
    rule = AlertRule.objects.select_for_update().get(pk=rule_id)
    subjects = [event.subject for event in events]
    alerts = Alert.objects.filter(rule=rule, subject__in=subjects)
    known, now = set(alerts.values_list("subject", flat=True)), timezone.now()
    for event in events:
        if event.subject not in known and event.value > rule.threshold:
            open_alert(rule, event.value, now, subject=event.subject)
    going_on = [event.subject for event in events if not event.is_over]
    for alert in Alert.objects.filter(rule=rule, resolved_at=None).exclude(subject__in=going_on):
        resolve_alert(alert, now)


def open_alert(rule: AlertRule, value: float, now: datetime, *, subject: str = "") -> None:
    alert = Alert.objects.create(
        rule=rule,
        subject=subject,
        severity=rule.severity,
        threshold=rule.threshold,
        value=value,
        peak=value,
        opened_at=now,
        last_seen_at=now,
    )
    log.warning(
        "alert_opened", kind=rule.kind, severity=rule.severity, value=value, subject=subject
    )
    announce(alert, "opened", now)


def resolve_alert(alert: Alert, now: datetime) -> None:
    alert.resolved_at = now
    alert.save(update_fields=["resolved_at"])
    log.info("alert_resolved", kind=alert.rule.kind, severity=alert.severity)
    announce(alert, "resolved", now)


def announce(alert: Alert, event: str, now: datetime) -> None:
    """Leave a message for the webhook, if there is one; it is sent after the commit."""
    if settings.ALERT_WEBHOOK_URL:
        delivery = AlertDelivery.objects.create(
            alert=alert, event=event, body=message(alert, event), next_attempt_at=now
        )
        # A broker that is away fails nothing: what is due is looked for anyway.
        transaction.on_commit(
            lambda: current_app.send_task("kpi.tasks.deliver_alert", [delivery.pk]), robust=True
        )


def message(alert: Alert, event: str) -> dict[str, Any]:
    """Return what the webhook is told."""
    resolved = alert.resolved_at
    return {
        "event": event,
        "alert_id": alert.pk,
        "rule": alert.rule.kind,
        "severity": alert.severity,
        "subject": alert.subject,
        "summary": MEASURES[alert.rule.kind].label if alert.rule.kind in MEASURES else "",
        "value": alert.value,
        "threshold": alert.threshold,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": None if resolved is None else resolved.isoformat(),
    }


@transaction.atomic
def acknowledge_alert(*, alert_id: int, user: User) -> None:
    """Note that somebody looks after an alert. Raises AlreadyAcknowledged."""
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    if alert.acknowledged_at is not None:
        raise AlreadyAcknowledged
    alert.acknowledged_at, alert.acknowledged_by = timezone.now(), user
    alert.save(update_fields=["acknowledged_at", "acknowledged_by"])


def create_rule(
    *, kind: str, threshold: float, window_seconds: int, severity: str, enabled: bool, reason: str
) -> AlertRule:
    """Create a rule, with history. Raises UnknownMeasure, ReasonRequired, ReasonTooLong."""
    if kind not in MEASURES:
        raise UnknownMeasure
    rule = AlertRule(
        kind=kind,
        threshold=threshold,
        window_seconds=window_seconds,
        severity=severity,
        enabled=enabled,
    )
    rule._change_reason = checked_reason(reason)  # type: ignore[attr-defined]
    rule.save()
    return rule


def change_rule(
    *, rule_id: int, changes: Mapping[str, Any], reason: str, version: str | None = None
) -> None:
    """Change fields of a rule, with history; what is as asked for already stays as it is.

    Raises UnknownMeasure, ReasonRequired, ReasonTooLong, and StaleVersion as ``lock_row`` does.
    """
    if changes.get("kind", next(iter(MEASURES))) not in MEASURES:
        raise UnknownMeasure
    rule = AlertRule.objects.get(pk=rule_id)
    write_configuration(rule, changes, checked_reason(reason), version)
