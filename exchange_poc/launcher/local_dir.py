"""The directory of the embedded servers' ports, passwords, logs and (as a rule) data."""

import os
import secrets
from pathlib import Path
from typing import Final, Self

from exchange_poc.launcher.errors import LauncherError
from exchange_poc.variables import text

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
LOG_LIMIT: Final = 10_000_000


class LocalDir:
    """LOCAL_DIR and the small private files in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_environment(cls) -> Self:
        """Return what LOCAL_DIR names (``.local`` by default), seen from the project root."""
        return cls((PROJECT_ROOT / text("LOCAL_DIR", default=".local")).resolve())

    def create(self) -> None:
        """Create the directory; raise LauncherError where this user may not write."""
        try:
            if not self.root.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
                # The servers' own user passes through; only the private files' owner reads them.
                self.root.chmod(0o711)
        except OSError as error:
            raise LauncherError(f"{error}. Set LOCAL_DIR to a directory you may write.") from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            raise LauncherError(
                f"{self.root} belongs to another user: work as that user, or set LOCAL_DIR."
            )

    def read(self, name: str) -> str:
        """Return a private file's text, empty when there is none."""
        try:
            return (self.root / name).read_text().strip()
        except FileNotFoundError:
            return ""
        except PermissionError as error:
            raise LauncherError(f"{error}: work as its owner, or set LOCAL_DIR.") from error

    def write(self, name: str, text: str) -> None:
        """Replace a private file (mode 0600) as a whole."""
        draft = self.root / f"{name}.new"
        draft.unlink(missing_ok=True)
        with open(draft, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        draft.replace(self.root / name)

    def secret(self, name: str) -> str:
        """Return the secret kept in a private file, drawing one at the first call."""
        if not self.read(name):
            self.write(name, secrets.token_urlsafe(24))
        return self.read(name)

    def open_log(self, name: str) -> int:
        """Return a descriptor that appends to a log; one that has grown large is set aside."""
        path = self.root / name
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.old"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tail(self, name: str, lines: int = 12) -> str:
        """Return the last lines of a log."""
        try:
            text = (self.root / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])
