"""Compares what the processes of this machine may open with what PostgreSQL allows."""

from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection

#: Of the worker's processes, two each, beat, a command, the console of a database administrator.
OTHERS: Final = 14


@register(Tags.database)
def check_connections(databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """Warn where the processes together may ask for more connections than there are."""
    if not databases:
        return []
    needed = settings.WEB_WORKERS * settings.DATABASE_CONNECTIONS + OTHERS
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
        [allowed] = cursor.fetchone()
    if needed <= allowed:
        return []
    return [
        Warning(
            f"WEB_WORKERS × DATABASE_CONNECTIONS and {OTHERS} of others are {needed} connections, "
            f"PostgreSQL allows {allowed}.",
            hint="Raise its max_connections, or lower DATABASE_CONNECTIONS.",
            id="exchange.W001",
        )
    ]
