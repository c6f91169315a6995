"""What staff did in the console."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils.text import capfirst
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from market.kernel.console.figures import column, time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin


@admin.register(LogEntry)
class LogEntryAdmin(LargeRecordAdmin):
    list_display = (
        time_column("action_time"),
        "user",
        column("content_type__name", "Kind", capfirst),
        column("object_repr", "About", str),
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
    search_help_text = "What it was about, or what was done"
    filled_by = "What staff do in this console stands here: change a limit, or press a button."

    @admin.display(description="What was done")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message()
