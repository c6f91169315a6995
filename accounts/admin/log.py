"""What staff did in the console."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from market.kernel.console.figures import time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin


@admin.register(LogEntry)
class LogEntryAdmin(LargeRecordAdmin):
    list_display = (
        time_column("action_time"),
        "user",
        "content_type",
        "object_repr",
        "action_flag",
        "said",
    )
    list_filter = (
        ("user", AutocompleteSelectFilter),
        ("action_flag", ChoicesDropdownFilter),
        ("action_time", DayFilter),
    )
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message")

    @admin.display(description="What was done")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message()
