"""A database of its own for a while, migrated and empty, beside the one that Django is set to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.management import call_command
from django.db import Error, connection

from kpi.lab.errors import LabError
from market.kernel.database import use

SUFFIX: Final = "_lab_verify"
#: Makes one that is then migrated; a copy of a migrated one is left as it is.
CREATE: Final = "CREATE DATABASE {}"
#: PostgreSQL cuts longer names.
LONGEST_NAME: Final = 63


class NoScratchDatabase(LabError):
    code = "lab_no_database"


@contextmanager
def scratch_database() -> Iterator[str]:
    """Let all of this process use a new database until the block is left; yields its name.

    It is dropped then, whatever happened; one that a killed process left behind is dropped before.
    For a command that has the process to itself, outside any transaction. Raises NoScratchDatabase.
    """
    present = connection.settings_dict["NAME"]
    name = present[: LONGEST_NAME - len(SUFFIX)] + SUFFIX
    create(name)
    try:
        use(name)
        call_command("migrate", verbosity=0)
        yield name
    finally:
        use(present)
        run(f"DROP DATABASE {quoted(name)} WITH (FORCE)")


def create(name: str) -> None:
    try:
        run(f"DROP DATABASE IF EXISTS {quoted(name)}", CREATE.format(quoted(name)))
    except Error as error:
        raise NoScratchDatabase(
            f"No database {name} can be made: {str(error).strip()}. It takes a role that may "
            "create databases, and that no other verification runs."
        ) from error


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
