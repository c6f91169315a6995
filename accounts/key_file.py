"""A CSV file of new API keys: nobody else can read it, and nothing is written over."""

import contextlib
import csv
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from accounts.traders import NewTrader

COLUMNS: Final = ("user_id", "username", "api_key")


class KeyFile:
    """A new file at ``path``, until the block ends; raises FileExistsError where there is one.

    A block that fails leaves no file, unless all keys were in it: whether the exchange knows them
    by then is for the caller to find out, and without the file they would be lost.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_whole = path, False

    def __enter__(self) -> Self:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.file = os.fdopen(descriptor, "w", newline="", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what counts was flushed, or failed, in keep
            self.file.close()
        if error is not None and not self.is_whole:
            self.path.unlink(missing_ok=True)

    def keep(self, traders: Iterable[NewTrader]) -> None:
        """Write the keys and return when they are on disk."""
        writer = csv.writer(self.file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((t.user.pk, t.user.username, t.key) for t in traders)
        self.file.flush()
        os.fsync(self.file.fileno())
        sync_directory(self.path.parent)
        self.is_whole = True


def sync_directory(directory: Path) -> None:
    """Have the name of a new file on disk, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
