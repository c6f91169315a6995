"""The database that each process of a parallel run, and each of many runs, gets a copy of.

So it is migrated once, not by each.
"""

import os
from typing import Final

from django.db import connection
from pytest_django import DjangoDbBlocker

NAME: Final = f"test_template_{os.getpid()}"
#: In the environment of a run that is to copy another one's: that one's name.
VARIABLE: Final = "EXCHANGE_TEST_TEMPLATE"


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
