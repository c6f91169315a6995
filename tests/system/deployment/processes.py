"""Processes that the deployment's tests start, and what they ask them."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import urllib.request

from exchange_poc.launcher.ports import is_free

#: Which process of a parallel run this is.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FIRST_PORT = 12_000 + 200 * (WORKER % 100)
PORTS = itertools.cycle(random.sample(range(FIRST_PORT, FIRST_PORT + 200), 200))


def free_port() -> int:
    """Return a port of the loopback interface that nobody takes before this process does.

    It is free now, no other process of a parallel run is given it, and it lies below those that
    the system hands out to connections.
    """
    return next(port for port in PORTS if is_free(port))


def get(url: str) -> str | None:
    """Return what a server answers, None while it does not."""
    request = urllib.request.Request(url, headers={"X-Forwarded-Proto": "https"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            return str(response.read().decode())
    except OSError:
        return None


def end_group(process: subprocess.Popen[str]) -> None:
    """Kill a process that leads a session, with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
