"""Celery tasks of the kpi app.

A check is acknowledged before it runs: one that takes longer than the broker waits for a task
would be given out again and again, and the next one is due soon anyway.
"""

from celery import shared_task

from kpi import retention, services
from kpi.alerts import rules, webhook
from kpi.audit import checks, sealing
from kpi.checks import ledger
from kpi.history import snapshots
from kpi.lab import queue
from kpi.leverage import tier_counts
from kpi.stream import journal


@shared_task
def beat_heart() -> None:
    """Prove that beat, broker, worker and database work together."""
    services.record_heartbeat()


@shared_task
def take_snapshot() -> None:
    """Store the KPIs of the present slot."""
    snapshots.take_snapshot()


@shared_task
def forget_old() -> None:
    """Forget what is too old, and keep the KPI history small."""
    retention.forget_old()


@shared_task(acks_late=False)
def check_ledger() -> None:
    """Recompute the ledger and keep what was found."""
    ledger.check_ledger()


@shared_task
def seal_audit() -> None:
    """Seal the audit records that were captured since the last time."""
    sealing.seal_records()


@shared_task(acks_late=False)
def check_audit(*, full: bool = False) -> None:
    """Verify the audit trail, in full once a day or if asked to, and keep what was found."""
    checks.check_audit(full=full)


@shared_task
def count_tiers() -> None:
    """Count the accounts of each tier, for the leverage page."""
    tier_counts.count_tiers()


@shared_task
def evaluate_alerts() -> None:
    """Open and resolve alerts."""
    rules.evaluate_rules()


@shared_task
def forget_events() -> None:
    """Keep the journal that streams read short."""
    journal.forget_old_events()


@shared_task
def deliver_alert(delivery_id: int) -> None:
    """Tell the webhook about an alert that has just changed."""
    webhook.deliver(delivery_id=delivery_id)


@shared_task
def deliver_due_alerts() -> None:
    """Try again what the webhook has not received."""
    webhook.deliver_due()


@shared_task
def compute_lab_cell(study_id: int) -> None:
    """Compute a cell of a study of the policy lab, whichever is next."""
    queue.compute_cell(study_id=study_id)
