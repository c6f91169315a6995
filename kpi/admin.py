"""Heartbeats in the staff console."""

from django.contrib import admin

from kpi.models import Heartbeat
from market.console.figures import time_column
from market.console.filters import DayFilter
from market.console.pages import LargeRecordAdmin


@admin.register(Heartbeat)
class HeartbeatAdmin(LargeRecordAdmin):
    list_display = (time_column("beat_at"),)
    list_filter = (("beat_at", DayFilter),)
