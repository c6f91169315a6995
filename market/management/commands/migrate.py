"""Django's ``migrate``, one at a time, and for data of this version of the exchange alone."""

import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from django.conf import settings
from django.core.management import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

from market.kernel.turns import Turn

#: What each of our apps begins with.
FIRST: Final = "0001_tables"
#: How long another one is waited for; a history of years takes minutes.
PATIENCE: Final = "10min"


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with one_after_the_other(connection):
            loader = MigrationLoader(connection)
            if reason := foreign(loader.applied_migrations or (), known=loader.disk_migrations):
                raise CommandError(reason)
            super().handle(*args, **options)


@contextmanager
def one_after_the_other(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Wait until nobody else migrates: two commands can find the same empty database.

    The lock belongs to a transaction of a connection of its own, and so ends with its holder.
    """
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
            try:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [Turn.MIGRATE.value])
            except OperationalError as error:
                raise CommandError(
                    f"Another migrate has this database since {PATIENCE}: wait for it or end it."
                ) from error
        yield
        holder.rollback()


def foreign(applied: Collection[tuple[str, str]], *, known: Collection[tuple[str, str]]) -> str:
    """Say why data with these migrations, (app, name), are not this version's; "" if they are."""
    ours = {app for app, name in known if name == FIRST}
    strange = sorted(one for one in applied if one[0] in ours and one not in known)
    if not strange:
        return ""
    when = "after" if (strange[0][0], FIRST) in applied else "before"
    return (
        f"These data are from {when} this version, {settings.VERSION}, which has no migration "
        f"{'.'.join(strange[0])}, and stay as they are. Start anew with "
        f"`LOCAL_DIR={os.environ.get('LOCAL_DIR', '.local')} make clean-data`, another LOCAL_DIR "
        "or another database, or go on with the version that wrote them."
    )
