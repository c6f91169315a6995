"""Celery tasks of the kpi app."""

from celery import shared_task

from kpi import services, snapshots, thinning


@shared_task
def beat_heart() -> None:
    """Prove that beat, broker, worker and database work together."""
    services.record_heartbeat()


@shared_task
def take_snapshot() -> None:
    """Store the KPIs of the present slot."""
    snapshots.take_snapshot()


@shared_task
def thin_snapshots() -> None:
    """Keep the KPI history small."""
    thinning.thin_snapshots()
