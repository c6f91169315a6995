"""The console as an app: its pages are loaded with the URLs, or where they are checked."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class ConsoleConfig(SimpleAdminConfig):
    """Django's, whose check of pages would find none where only commands are loaded."""

    default_site = "exchange_poc.site.ConsoleSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Check every page of the console. No other check is sure to have loaded the URLs before."""
    admin.autodiscover()
    return check_admin_app(app_configs)
