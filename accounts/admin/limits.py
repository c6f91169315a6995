"""How often API keys may call and place orders, by tier and scopes."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.models import RateLimit
from accounts.policy import change_rate_limit
from market.kernel.console.figures import count_column
from market.kernel.console.pages import ConfigurationAdmin


@admin.register(RateLimit)
class RateLimitAdmin(ConfigurationAdmin):
    """One row per tier and scopes, made by migration: changed, never added."""

    list_display = (
        "__str__",
        count_column("requests_per_minute", "Requests a minute"),
        count_column("orders_per_minute", "Orders a minute"),
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
