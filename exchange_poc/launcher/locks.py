"""Advisory file locks; the system drops them when their holder dies, however it dies."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """One open lock file; shared among its holders or exclusive to one."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def try_exclusive(self) -> bool:
        """Take the lock alone; False when another process holds it. Gives up a shared hold."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def share(self) -> None:
        """Take the lock beside its other shared holders; wait while one holds it alone."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def write(self, note: str) -> None:
        """Replace the file's text, for those who find the lock taken."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, note.encode(), 0)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._descriptor)


@contextmanager
def exclusive(path: Path, *, pause: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock at ``path`` alone, calling ``pause(seconds)`` while another holds it."""
    lock = FileLock(path)
    try:
        while not lock.try_exclusive():
            pause(0.05)
        yield
    finally:
        lock.close()
