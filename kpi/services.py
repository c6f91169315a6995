"""The worker's heartbeat; what else the kpi app writes stands in its wings."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from kpi.health.heartbeats import slot_of
from kpi.models import Heartbeat

RETENTION: Final = timedelta(days=7)


def record_heartbeat() -> None:
    """Write the beat of the present interval, once however often called, and drop old ones."""
    now = timezone.now()
    Heartbeat.objects.bulk_create([Heartbeat(beat_at=slot_of(now))], ignore_conflicts=True)
    Heartbeat.objects.filter(beat_at__lt=now - RETENTION).delete()
