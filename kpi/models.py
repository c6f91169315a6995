"""Proof of life: the heartbeats from which uptime is computed."""

from django.db import models


class Heartbeat(models.Model):
    """A beat that the Celery worker really wrote; beats that are missing are downtime."""

    beat_at = models.DateTimeField(unique=True)

    class Meta:
        ordering = ["-beat_at"]

    def __str__(self) -> str:
        return self.beat_at.isoformat()
