"""Which database this process works on: another for a while, for a command alone in its process."""

from django.contrib.contenttypes.models import ContentType
from django.db import connection


def disconnect() -> None:
    """Close this process's connections to the exchange's database; the next query opens another."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL alone


def use(name: str) -> None:
    """Let new connections of this process lead to a database.

    Models have other numbers there, which Django remembers for good.
    """
    disconnect()
    connection.settings_dict["NAME"] = name
    ContentType.objects.clear_cache()
