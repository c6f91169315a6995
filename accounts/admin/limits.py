"""How often API keys may call and place orders, by tier and scopes."""

from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from accounts.models import KeyScopes, RateLimit
from accounts.policy import ORDER_LIMITS, change_rate_limit
from accounts.rates import UNITS, Rate
from market.kernel.console.figures import NOTHING, Column, aligned, computed_column, count_column
from market.kernel.console.pages import ConfigurationAdmin

MINUTE: Final = UNITS["m"]


def set_column(field: str, title: str, setting: str) -> Column:
    """Return a list column of a limit; where the row says none, what the setting says."""

    def write(row: RateLimit) -> str:
        said = getattr(row, field)
        if said is None and row.scopes == KeyScopes.READ and field in ORDER_LIMITS:
            return NOTHING
        return aligned(f"{said:,}" if said is not None else written(getattr(settings, setting)))

    return computed_column(title, write, ordering=field)


def written(rate: str | None) -> str:
    """Write what a setting says: ``100 (setting)`` of a minute, else its window too."""
    if rate is None:
        return "no limit (setting)"
    read = Rate.read(rate)
    return f"{f'{read.count:,}' if read.seconds == MINUTE else rate} (setting)"


@admin.register(RateLimit)
class RateLimitAdmin(ConfigurationAdmin):
    """One row per tier and scopes, made by migration: changed, never added."""

    list_display = (
        "__str__",
        set_column("requests_per_minute", "Requests a minute", "API_RATE_LIMIT"),
        set_column("orders_per_minute", "Orders a minute", "ORDER_RATE_LIMIT"),
        count_column("orders_per_10_seconds", "Orders in 10 seconds"),
    )
    search_fields = ("tier", "scopes")
    filled_by = "Those of each tier and scope are made by the migrations: run manage.py migrate."
    readonly_fields = ("tier", "scopes")
    fieldsets = (
        (None, {"fields": (("tier", "scopes"), "requests_per_minute")}),
        ("Orders", {"fields": (("orders_per_minute", "orders_per_10_seconds"),)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def configure(
        self, request: HttpRequest, row: RateLimit, changes: dict[str, Any], **asked: str
    ) -> None:
        change_rate_limit(limit=row, changes=changes, **asked)
