"""Starts processes that do not outlive their purpose, recognises them and ends them."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]

from exchange_poc.launcher.signals import StopSignals

PR_SET_PDEATHSIG: Final = 1
LIBC: Final = ctypes.CDLL(None)

#: Signals to try in turn, each with the seconds it is given to work.
Steps = Sequence[tuple[signal.Signals, float]]


@dataclass(frozen=True, slots=True)
class UnixUser:
    """A user of this machine, by number."""

    uid: int
    gid: int


def follow_parent(number: signal.Signals) -> None:
    """Have the system send this process ``number`` when its parent dies (Linux only)."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, int(number))


def spawn(
    command: Sequence[str | Path],
    *,
    follow: signal.Signals | None,
    user: UnixUser | None = None,
    cwd: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    new_session: bool = True,
    **streams: Any,
) -> subprocess.Popen[bytes]:
    """Start ``command``, sent ``follow`` should this process die, as ``user`` if one is given.

    A session of its own keeps a Ctrl-C in the terminal away from it: the launcher stops what it
    started in an order of its own. The parent's environment is handed on unless one is given.
    """
    parent = os.getpid()

    def enter() -> None:
        if follow is not None:
            follow_parent(follow)
            if os.getppid() != parent:
                os._exit(1)

    account: dict[str, Any] = (
        {"user": user.uid, "group": user.gid, "extra_groups": [], "umask": 0o077} if user else {}
    )
    return subprocess.Popen(  # noqa: S603
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        start_new_session=new_session,
        preexec_fn=enter,
        **account,
        **({"stdin": subprocess.DEVNULL} | streams),
    )


def finish(process: subprocess.Popen[bytes], *, stop: StopSignals) -> int:
    """Wait for a process to end and return its status; end it first when asked to stop."""
    try:
        while process.poll() is None:
            stop.pause(0.02)
    finally:
        end(
            process.pid,
            ((signal.SIGTERM, 5), (signal.SIGKILL, 5)),
            alive=lambda: process.poll() is None,
        )
    return process.returncode


def end(pid: int, steps: Steps, *, alive: Callable[[], bool]) -> None:
    """Send the signals of ``steps`` one after the other until ``alive`` says no."""
    for number, seconds in steps:
        if not alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_while(alive, seconds)


def end_group(leader: int) -> None:
    """Kill whatever is left of the process group that ``leader`` founded."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def wait_while(condition: Callable[[], bool], seconds: float) -> None:
    """Return as soon as ``condition`` is false, after ``seconds`` at the latest."""
    deadline = time.monotonic() + seconds
    while condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def watch(pid: int) -> Callable[[], bool]:
    """Return a function that tells whether the process that has this id now still lives."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return lambda: False

    def lives() -> bool:
        try:
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    return lives


def listens(pid: int, port: int) -> bool:
    """Tell whether a process or one of its descendants takes connections on a port."""
    try:
        process = psutil.Process(pid)
        return any(
            found.status == psutil.CONN_LISTEN and found.laddr.port == port
            for one in (process, *process.children(recursive=True))
            for found in one.net_connections(kind="tcp")
        )
    except psutil.Error:
        return False


def command_of(pid: int) -> str:
    """Return the command line of a living process, empty when there is none."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""
