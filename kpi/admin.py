"""Heartbeats in the staff console."""

from django.contrib import admin

from kpi.models import Heartbeat
from market.console import RecordAdmin


@admin.register(Heartbeat)
class HeartbeatAdmin(RecordAdmin):
    list_display = ["beat_at"]
