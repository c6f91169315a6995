"""Makes the virtual environment and installs a lock file into it; the Makefile's first step.

Runs before anything is installed, so it stands on the standard library alone and imports nothing of
the project. The locks hold every package, so nothing is resolved and no later release of any of
them can change or break what is installed. One installation runs at a time.
"""

from __future__ import annotations

import argparse
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST_PYTHON = (3, 11)
WAIT_SECONDS = 900
IS_COMPLETE = "import pip, sys; sys.exit(sys.prefix == sys.base_prefix)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Install lock files into a virtual environment.")
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("--stamp", action="append", required=True, help="touched when all is done")
    parser.add_argument("lock", type=Path, nargs="+", help="the first holds the others")
    arguments = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: set PYTHON=…")
    stamps = [arguments.venv / name for name in arguments.stamp]
    with one_at_a_time(arguments.lock[-1]):
        if not all(is_newer(stamp, lock) for stamp in stamps for lock in arguments.lock):
            install(arguments.lock[0], make_venv(arguments.venv))
            for stamp in stamps:
                stamp.touch()


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold the lock file itself: two commands on a fresh clone would write over each other."""
    deadline = time.monotonic() + WAIT_SECONDS
    with lock.open() as held:
        while not taken(held.fileno()):
            if time.monotonic() > deadline:
                sys.exit(f"Another installation holds {lock} since {WAIT_SECONDS} s: end it first.")
            time.sleep(0.2)
        yield


def taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_newer(stamp: Path, lock: Path) -> bool:
    return stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime


def make_venv(venv: Path) -> Path:
    """Return the environment's Python; what an interrupted attempt left half-made is made anew."""
    python = venv / "bin" / "python"
    if not python.exists() or fails(python, "-I", "-c", IS_COMPLETE):
        print(f"Creating {venv}", flush=True)
        run(sys.executable, "-m", "venv", "--clear", venv)
    return python


def fails(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode != 0


def install(lock: Path, python: Path) -> None:
    print(f"Installing {lock}", flush=True)
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "-qq", "--require-hashes", "--no-deps", "--requirement", lock)
    run(*pip, "check")


def run(*command: str | Path) -> None:
    if status := subprocess.run(command, check=False).returncode:
        sys.exit(status)


if __name__ == "__main__":
    main()
