"""The worker's heartbeat; what else the kpi app writes stands in its wings."""

from django.utils import timezone

from kpi.health.heartbeats import slot_of
from kpi.models import Heartbeat


def record_heartbeat() -> None:
    """Write the beat of the present interval, once however often called."""
    now = timezone.now()
    Heartbeat.objects.bulk_create([Heartbeat(beat_at=slot_of(now))], ignore_conflicts=True)
