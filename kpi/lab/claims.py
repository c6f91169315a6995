"""Who computes a cell: a process, named by its machine, its number and when it started."""

import os
import socket
from datetime import timedelta
from functools import cache
from typing import Final

import psutil  # type: ignore[import-untyped]

#: A cell takes seconds; whoever has held one for longer is taken for dead.
LASTS: Final = timedelta(minutes=5)
#: Seconds by which two readings of a process's start may differ.
CLOCK_ERROR: Final = 1.0


@cache
def named(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{psutil.Process(pid).create_time():.1f}"


def this_process() -> str:
    """Return the name under which this process claims cells."""
    return named(os.getpid())


def is_gone(holder: str) -> bool:
    """Tell whether a process of this machine runs no more; of others nobody knows."""
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(started)) > CLOCK_ERROR
    except psutil.NoSuchProcess:
        return True
