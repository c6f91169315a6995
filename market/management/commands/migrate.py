"""Django's ``migrate``, but for data of another version of the exchange, which stay as they are."""

import os
from collections.abc import Collection
from typing import Any, Final

from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.loader import MigrationLoader

#: What each of our apps begins with.
FIRST: Final = "0001_tables"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        loader = MigrationLoader(connections[options["database"]])
        if reason := foreign(loader.applied_migrations or (), known=loader.disk_migrations):
            raise CommandError(reason)
        super().handle(*args, **options)


def foreign(applied: Collection[tuple[str, str]], *, known: Collection[tuple[str, str]]) -> str:
    """Say why data with these migrations, (app, name), are not this version's; "" if they are."""
    ours = {app for app, name in known if name == FIRST}
    strange = sorted(one for one in applied if one[0] in ours and one not in known)
    if not strange:
        return ""
    when = "after" if (strange[0][0], FIRST) in applied else "before"
    return (
        f"These data are from {when} this version, which has no migration "
        f"{'.'.join(strange[0])}, and stay as they are. Start anew with "
        f"`LOCAL_DIR={os.environ.get('LOCAL_DIR', '.local')} make clean-data`, another LOCAL_DIR "
        "or another database, or go on with the version that wrote them."
    )
