"""A process that uses the embedded servers the way ``manage.py`` does, to be ended at will."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

PROJECT_ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, os, sys
from exchange_poc.launcher.environment import ensure_servers
ensure_servers()
print(json.dumps({name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}), flush=True)
sys.stdin.read()
"""
SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL", "PROMETHEUS_MULTIPROC_DIR")


def environment(local_dir: Path, **changes: str) -> dict[str, str]:
    """Return this process's environment with another LOCAL_DIR and no servers named."""
    inherited = {k: v for k, v in os.environ.items() if k not in SERVER_VARIABLES}
    return inherited | {"LOCAL_DIR": str(local_dir)} | changes


def launch(local_dir: Path, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    """Start ``python -m exchange_poc.launcher``."""
    return subprocess.Popen(
        [sys.executable, "-m", "exchange_poc.launcher", *arguments],
        cwd=PROJECT_ROOT,
        env=environment(local_dir, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Client:
    """A running user of the servers in ``local_dir``; ends with its block."""

    def __init__(self, local_dir: Path, **changes: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=PROJECT_ROOT,
            env=environment(local_dir, **changes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()

    def urls(self) -> dict[str, str]:
        """Wait for the servers and return their addresses."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return dict(json.loads(line))

    def leave(self) -> tuple[int, str]:
        """Let the process end by itself; return its status and what it wrote to stderr."""
        errors = self.process.communicate(timeout=30)[1]
        return self.process.returncode, errors


def query(url: str, statement: str) -> list[Any]:
    """Run one statement in PostgreSQL and return its rows."""
    with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
