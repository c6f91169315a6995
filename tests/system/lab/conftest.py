"""The command ``lab`` as a process, on the database of the test; studies of a made-up crash."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.system.deployment.processes import end_group

STUDY = """
name = "{name}"
question = "What would lower caps have done in a made-up crash?"
seeds = {{ count = {seeds} }}

[tape]
kind = "crash"
crash = {{ bars = 288 }}

[population]
accounts = {accounts}

[[policy]]
name = "seed"

[[policy]]
name = "esma"
preset = "esma"

[[policy]]
name = "none"
preset = "none"
"""
Lab = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def environment(transactional_db: None) -> dict[str, str]:
    """The environment of a process on the servers of this test."""
    database = urlsplit(os.environ["DATABASE_URL"])
    return os.environ | {
        "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
        "REDIS_URL": settings.REDIS_URL,
    }


@pytest.fixture
def lab(environment: dict[str, str]) -> Iterator[Lab]:
    """Start the command: ``lab("run", …)``; what is left of it at the end is killed."""
    started = []

    def start(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "lab", *map(str, arguments)],
            cwd=PROJECT_ROOT,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        end_group(process)


Written = Callable[..., Path]


@pytest.fixture
def study(tmp_path: Path) -> Written:
    """Write a study file: ``study(seeds=3)`` has nine cells."""

    def write(*, name: str = "crash", seeds: int = 2, accounts: int = 300) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(STUDY.format(name=name, seeds=seeds, accounts=accounts))
        return path

    return write


def said(process: subprocess.Popen[str], status: int = 0) -> str:
    """Wait for a process and return what it printed; its status must be as expected."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, f"{process.returncode}\n{out}\n{err}"
    return out if status == 0 else out + err


class Interrupting(io.StringIO):
    """Presses Ctrl-C, in the midst of a statement, when it is told some words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words

    def write(self, text: str) -> int:
        if self.words in text:
            connection.connection.pgconn.send_query(b"SELECT 1")
            signal.raise_signal(signal.SIGINT)
        return len(text)


@contextmanager
def interrupted(words: str) -> Iterator[None]:
    """Press Ctrl-C when the command, which the block runs here, says ``words`` on stderr."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with redirect_stderr(Interrupting(words)):
            yield
    finally:
        signal.signal(signal.SIGINT, handler)
