"""One side of a comparison: a checkout that loads traders, serves them and waits to be asked."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Final

import psutil  # type: ignore[import-untyped]

from benchmarks.load import fetch_token
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.processes import end, spawn

#: Run by the side's own Python in the side's own directory, so that all it imports is the side's.
PROGRAM: Final = """
import json, sys
from benchmarks import population, stage
from benchmarks.parts import orders

with stage.opened(quick=False) as opened, opened.database("against") as database:
    orders.load_traders()
    with opened.web_server(database) as port:
        keys = population.issue_keys(int(sys.argv[1]))
        print(json.dumps({"port": port, "keys": keys}), flush=True)
        sys.stdin.read()
    orders.check_ledger()
"""
TRADERS: Final = 64
#: What stands in the command of a web process, here and in former revisions.
WEB_SERVERS: Final = ("exchange_poc.web", "gunicorn")
STOP: Final = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True)
class Trader:
    """An API key and a token of it."""

    key: str
    token: str


@dataclass(frozen=True, slots=True)
class Side:
    """A served checkout: its process, its port, and its traders."""

    pid: int
    port: int
    traders: Sequence[Trader]

    def memory(self) -> float:
        """Return the MiB that the largest web process has for itself."""
        below = psutil.Process(self.pid).children(recursive=True)
        web = [p for p in below if any(name in " ".join(p.cmdline()) for name in WEB_SERVERS)]
        return float(max(process.memory_full_info().uss for process in web)) / 2**20


@contextmanager
def serving(tree: Path) -> Iterator[Side]:
    """Serve a checkout. Raises LauncherError where it does not come up or ends unsoundly."""
    process = spawn(
        [tree / ".venv" / "bin" / "python", "-c", PROGRAM, str(TRADERS)],
        follow=signal.SIGTERM,
        cwd=tree,
        environment=os.environ | {"LOCAL_DIR": str(tree / ".local")},
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise LauncherError(f"{tree.name} does not come up; what it said is above")
        answer = json.loads(line)
        port, keys = answer["port"], answer["keys"]
        yield Side(process.pid, port, [Trader(key, fetch_token(port, key)) for key in keys])
        process.stdin.close()
        if process.wait(timeout=120):
            raise LauncherError(f"{tree.name} ended unsoundly; what it said is above")
    finally:
        end(process.pid, STOP, alive=lambda: process.poll() is None)
