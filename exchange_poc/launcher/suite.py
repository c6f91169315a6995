"""``make test``: the test suite on embedded servers of its own, which it leaves no trace of."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from exchange_poc.launcher.errors import StopRequested
from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir
from exchange_poc.launcher.locks import FileLock, exclusive
from exchange_poc.launcher.processes import end, spawn, wait_while
from exchange_poc.launcher.server_user import Quarters
from exchange_poc.launcher.servers import Servers, leased
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.variables import text

#: Where Linux keeps files in memory.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - each run has a private directory there
#: Bytes that have to be free there; a run of all tests takes a sixth of them.
ROOM: Final = 4_000_000_000
#: A first SIGINT lets pytest tear its fixtures down and report.
PYTEST_STOP: Final = ((signal.SIGINT, 15.0), (signal.SIGKILL, 5.0))


def test(arguments: Sequence[str]) -> int:
    """Run pytest with ``arguments`` and return its status, or 128 + the signal that stopped it."""
    with StopSignals() as stop:
        try:
            with own_local_dir(stop=stop) as local, leased(local, stop=stop, throwaway=True):
                return run_pytest(arguments, stop=stop)
        except StopRequested:
            return 128 + (stop.received or 0)


@contextmanager
def own_local_dir(*, stop: StopSignals) -> Iterator[LocalDir]:
    """Make a directory for this run alone, and remove it afterwards.

    What a killed run left is removed first, so that runs side by side do not disturb each other and
    dead ones do not pile up.
    """
    given = LocalDir.from_environment()
    parent = LocalDir(given.root / "test")
    parent.create()
    disk, memory = parent.root / "run-", MEMORY / f"{Quarters(given).outside.name}-"
    with exclusive(parent.root / "sweep.lock", pause=stop.pause):
        for place in (disk, memory):
            for leftover in place.parent.glob(f"{place.name}*/"):
                if leftover.lstat().st_uid == os.geteuid():
                    remove_unless_held(leftover, stop=stop)
        place = memory if belongs_in_memory() else disk
        local = LocalDir(Path(tempfile.mkdtemp(prefix=place.name, dir=place.parent)))
        local.root.chmod(0o711)
        lock = FileLock(local.root / "run.lock")
        lock.try_exclusive()
    os.environ["LOCAL_DIR"] = str(local.root)
    try:
        yield local
    finally:
        lock.close()
        remove_unless_held(local.root, stop=stop)


def belongs_in_memory() -> bool:
    """Tell whether nobody asks for a place on disk, and memory has room.

    Tests copy and drop hundreds of databases, and a disk finds places for the files ever slower.
    """
    asked = text("LOCAL_DIR")
    return not asked and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM


def remove_unless_held(directory: Path, *, stop: StopSignals) -> None:
    """Delete a run's directory unless that run is still alive."""
    lock = FileLock(directory / "run.lock")
    try:
        if lock.try_exclusive():
            servers = Servers(LocalDir(directory), stop=stop)
            servers.delete_data()
            shutil.rmtree(directory)
    finally:
        lock.close()


def run_pytest(arguments: Sequence[str], *, stop: StopSignals) -> int:
    """Run pytest as a child, in the terminal's foreground for the debugger's sake.

    A run imports the project in a hundred processes; compiled once, each starts a tenth sooner.
    """
    left_out = {"PROMETHEUS_MULTIPROC_DIR", "PYTHONDONTWRITEBYTECODE"}
    environment = {k: v for k, v in os.environ.items() if k not in left_out}
    process = spawn(
        [sys.executable, "-m", "pytest", *arguments],
        follow=signal.SIGINT,
        cwd=PROJECT_ROOT,
        environment=environment,
        new_session=False,
        stdin=None,
    )
    try:
        while process.poll() is None:
            stop.pause(0.05)
    except StopRequested:
        if stop.received == signal.SIGINT:
            # Ctrl-C has reached pytest too, and a second one would cut its teardown short.
            wait_while(lambda: process.poll() is None, 3)
        end(process.pid, PYTEST_STOP, alive=lambda: process.poll() is None)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode
