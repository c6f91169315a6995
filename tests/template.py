"""The database that each process of a parallel run gets a copy of: migrated once, not by each."""

import os
from typing import Final

from django.db import connection
from pytest_django import DjangoDbBlocker

NAME: Final = f"test_template_{os.getpid()}"


def make(blocker: DjangoDbBlocker) -> None:
    """Create and migrate it, on a connection of this thread."""
    connection.settings_dict["TEST"]["NAME"] = NAME
    with blocker.unblock():
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.close()
        connection.close_pool()  # What others copy may have no clients.


def drop(blocker: DjangoDbBlocker) -> None:
    with blocker.unblock():
        connection.creation.destroy_test_db(NAME, verbosity=0)
