"""An exchange in a database of its own, to be copied and replaced."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection
from psycopg import sql
from pytest_django import DjangoDbBlocker

from kpi.experiments.databases import maintained, working_on
from market.kernel.database import disconnect
from trading.demo.data import seed_demo

Server = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """A connection to the server, beside the exchange's."""
    with django_db_blocker.unblock():
        parameters = connection.get_connection_params() | {"dbname": "postgres"}
        with psycopg.connect(**parameters, autocommit=True) as server:
            yield server


@pytest.fixture(scope="module")
def database(server: Server, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The exchange with demo data, one for all tests of a file."""
    own = connection.settings_dict["NAME"]
    # A copy costs by files: this one is without what tests keep beside the tables.
    migrated, name = connection.settings_dict["TEST"].get("TEMPLATE", own), f"{own}_x"
    with django_db_blocker.unblock():
        disconnect()
        copied, gone = sql.SQL("CREATE DATABASE {} TEMPLATE {}"), sql.SQL("DROP DATABASE {}")
        server.execute(copied.format(sql.Identifier(name), sql.Identifier(migrated)))
        with working_on(name):
            seed_demo()
        yield name
        with working_on(name), maintained() as databases:
            databases.drop_drafts()
            for manifest in databases.manifests():
                databases.drop(databases.saved_name(manifest.name))
        server.execute(gone.format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def exchange(transactional_db: None, database: str) -> Iterator[None]:
    """Work on it, while the test's own database stays as it is."""
    with working_on(database):
        yield
