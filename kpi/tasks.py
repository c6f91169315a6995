"""Celery tasks of the kpi app."""

from celery import shared_task

from kpi import services, snapshots


@shared_task
def beat_heart() -> None:
    """Prove that beat, broker, worker and database work together."""
    services.record_heartbeat()


@shared_task
def take_snapshot() -> None:
    """Store the KPIs of the present slot."""
    snapshots.take_snapshot()
