"""The databases of saved states: named, found, copied, renamed and dropped on a connection apart.

That connection leads to the server's database ``postgres``, since nobody may be connected to what
is copied or renamed. Which renames belong together is one transaction, so that whoever dies leaves
all of them or none.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from django.db import connection
from psycopg import sql

from kpi.errors import ExperimentRefused
from kpi.experiments.manifest import Manifest
from market.kernel.database import use
from market.kernel.turns import Turn

NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,28}[a-z0-9])?")
#: Bytes of a name that PostgreSQL keeps; it would cut a longer one without a word.
LONGEST: Final = 63
#: Databases that are being made or given up; what a killed command left goes with the next one.
DRAFTS: Final = ("saving", "restoring", "replaced")

LIST: Final = """
SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database
WHERE starts_with(datname, %s) ORDER BY datname
"""
TAKE_TURN: Final = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
LEAVE_TURN: Final = "SELECT pg_advisory_unlock(%s, hashtext(%s))"
RIGHTS: Final = """
SELECT role.rolsuper OR role.rolcreatedb,
       (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = %s)
FROM pg_roles AS role WHERE role.rolname = current_user
"""


def live_name() -> str:
    """Return the database that the exchange works on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        return str(cursor.fetchone()[0])


class Databases:
    """The databases beside the live one, for one command at a time."""

    def __init__(self, maintenance: psycopg.Connection[Any], live: str) -> None:
        self.maintenance = maintenance
        self.live = live

    # Names.

    def saved_name(self, name: str) -> str:
        """Return the database of a saved state. Raises ExperimentRefused for no such name."""
        if not NAME.fullmatch(name):
            raise ExperimentRefused(
                f"{name[:40]!r} is no name of an experiment: write 1 to 30 small letters, digits, "
                "hyphens and underscores, none of the latter two at either end."
            )
        return self.checked(f"{self.live}_saved_{name}")

    def draft_name(self, kind: str) -> str:
        """Return the database of a saved state in the making, or of one that is given up."""
        return self.checked(f"{self.live}__{kind}")

    def checked(self, database: str) -> str:
        if len(database.encode()) > LONGEST:
            raise ExperimentRefused(
                f"The database would be called {database}, longer than PostgreSQL's {LONGEST} "
                "bytes: choose a shorter name."
            )
        return database

    # What there is.

    def manifests(self) -> list[Manifest]:
        """Return the manifests of all saved states, by name."""
        rows = self.maintenance.execute(LIST, [f"{self.live}_saved_"]).fetchall()
        found = (Manifest.read(comment or "") for _, comment in rows)
        return [manifest for manifest in found if manifest is not None]

    def manifest(self, name: str) -> Manifest:
        """Return the manifest of a saved state. Raises ExperimentRefused where there is none."""
        self.saved_name(name)
        known = {manifest.name: manifest for manifest in self.manifests()}
        if name not in known:
            raise ExperimentRefused(
                f"There is no experiment {name!r}; there are: {', '.join(known) or 'none'}."
            )
        return known[name]

    def exists(self, database: str) -> bool:
        query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
        return bool(self.maintenance.execute(query, [database]).fetchone()[0])  # type: ignore[index]

    def size(self, database: str) -> int:
        """Return the bytes of a database."""
        row = self.maintenance.execute("SELECT pg_database_size(%s)", [database]).fetchone()
        return int(row[0]) if row else 0

    # Changes.

    def copy(self, source: str, target: str) -> None:
        """Copy a database that nobody is connected to; new connections wait meanwhile."""
        self.run("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log", target, source)

    def rename(self, database: str, new: str) -> None:
        """Rename a database; waits some seconds for its last connection to go."""
        self.run("ALTER DATABASE {} RENAME TO {}", database, new)

    def describe(self, database: str, manifest: Manifest) -> None:
        """Keep a manifest as the comment on its database."""
        self.run("COMMENT ON DATABASE {} IS {}", database, text=manifest.written())

    def drop(self, database: str) -> None:
        """Drop a database with whatever connections it has."""
        self.run("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def drop_drafts(self) -> None:
        """Drop what an earlier command did not come to the end of."""
        for kind in DRAFTS:
            self.drop(self.draft_name(kind))

    def run(self, statement: str, *names: str, text: str | None = None) -> None:
        quoted: list[sql.Composable] = [sql.Identifier(name) for name in names]
        if text is not None:
            quoted.append(sql.Literal(text))
        self.maintenance.execute(sql.SQL(statement).format(*quoted))

    # Rights.

    def check_rights(self) -> None:
        """Refuse a role that may not create databases. Raises ExperimentRefused."""
        row = self.maintenance.execute(RIGHTS, [self.live]).fetchone()
        may_create, owns = row or (False, False)
        if not (may_create and owns):
            raise ExperimentRefused(
                "The role of DATABASE_URL must own the database and may create others; let an "
                f"administrator run: ALTER ROLE … CREATEDB; ALTER DATABASE {self.live} OWNER TO …"
            )


@contextmanager
def maintained() -> Iterator[Databases]:
    """Hand out the databases beside the live one, to one command at a time.

    Raises ExperimentRefused behind a pooler, without the rights, and while another one works.
    """
    check_direct()
    live = live_name()
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    try:
        maintenance = psycopg.connect(**parameters, autocommit=True)
    except psycopg.OperationalError as error:
        raise ExperimentRefused(f"The database `postgres` cannot be reached: {error}") from error
    with maintenance:
        databases, turn = Databases(maintenance, live), [Turn.EXPERIMENT.value, live]
        row = maintenance.execute(TAKE_TURN, turn).fetchone()
        if not (row and row[0]):
            raise ExperimentRefused("Another `experiment` command is at work; wait for its end.")
        try:
            databases.check_rights()
            yield databases
        finally:
            # The server hears of a closed connection later, and the next command may be sooner.
            with suppress(psycopg.Error):
                maintenance.execute(LEAVE_TURN, turn)


def check_direct() -> None:
    """Refuse a pooler, which keeps connections of its own. Raises ExperimentRefused."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        told = connection.connection.info.backend_pid
        if cursor.fetchone()[0] != told:
            raise ExperimentRefused(
                "DATABASE_URL leads to a pooler such as PgBouncer; name PostgreSQL itself for "
                "this command."
            )


@contextmanager
def working_on(database: str) -> Iterator[None]:
    """Let this process work on another database for the block, in which it is alone there."""
    own = connection.settings_dict["NAME"]
    use(database)
    try:
        yield
    finally:
        use(own)
