"""One of the processes of ``make run``: started, watched, started again, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from exchange_poc.launcher.console import say
from exchange_poc.launcher.local_dir import PROJECT_ROOT
from exchange_poc.launcher.processes import end, end_group, listens, spawn

SETTLED: Final = 60.0  # seconds; a process that ran longer has not failed in a row
LONGEST_PAUSE: Final = 30.0  # seconds


class Service:
    """A process that is meant to run for as long as the launcher does."""

    def __init__(self, name: str, command: Sequence[str], *, patience: float) -> None:
        self.name = name
        self.command = command
        self.patience = patience
        self.failures = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._due = 0.0

    def watch(self) -> None:
        """Start the process when it is down and its pause is over; record that it died."""
        if self._process is not None and self._process.poll() is not None:
            self._bury(self._process)
        if self._process is None and time.monotonic() >= self._due:
            self._process = spawn(
                self.command,
                follow=signal.SIGTERM,
                cwd=PROJECT_ROOT,
                environment=os.environ,
            )
            self._started = time.monotonic()

    def listens(self, port: int) -> bool:
        """Tell whether it takes connections on a port, rather than somebody else's process."""
        return self._process is not None and listens(self._process.pid, port)

    def _bury(self, process: subprocess.Popen[bytes]) -> None:
        """Remove what a dead process left of its group and set the time of the next start."""
        end_group(process.pid)
        lived = time.monotonic() - self._started
        self.failures = 1 if lived > SETTLED else self.failures + 1
        pause = min(0.5 * 2 ** (self.failures - 1), LONGEST_PAUSE)
        say(f"{self.name} ended with status {process.returncode}: next start in {pause:g} s")
        self._due = time.monotonic() + pause
        self._process = None

    def stop(self) -> None:
        """End the process and its children: gracefully for ``patience`` seconds, then not."""
        process, self._process = self._process, None
        if process is None:
            return
        steps = ((signal.SIGTERM, self.patience), (signal.SIGKILL, 5.0))
        end(process.pid, steps, alive=lambda: process.poll() is None)
        end_group(process.pid)
