"""Another revision of the project as a work tree with its own environment."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange_poc.launcher.errors import LauncherError
from exchange_poc.launcher.local_dir import PROJECT_ROOT, LocalDir

#: Of this checkout: what the other one has may not install any more.
INSTALL: Final = PROJECT_ROOT / "exchange_poc" / "launcher" / "install.py"


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit of this repository; ``short`` is what the figures call it."""

    commit: str
    short: str


def revision(name: str) -> Revision:
    """Return the commit that a name stands for. Raises LauncherError."""
    found = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found.returncode:
        raise LauncherError(f"git knows no commit {name!r}: name one that `git log` shows.")
    commit = found.stdout.strip()
    return Revision(commit, git("rev-parse", "--short", commit).stdout.strip())


@contextmanager
def checked_out(revision: Revision) -> Iterator[Path]:
    """Lay the revision out below LOCAL_DIR and install its lock; remove it all afterwards."""
    local = LocalDir(LocalDir.from_environment().root / "against")
    local.create()
    tree = local.root / revision.short
    remove(tree)
    must(git("worktree", "add", "--quiet", "--detach", str(tree), revision.commit))
    try:
        install(tree)
        yield tree
    finally:
        remove(tree)


def install(tree: Path) -> None:
    """Install the tree's development lock into an environment of its own."""
    locks = [tree / "requirements-dev.lock", tree / "requirements.lock"]
    command = [sys.executable, "-I", INSTALL, "--venv", tree / ".venv", "--stamp", ".dev", *locks]
    if subprocess.run(command, check=False).returncode:
        raise LauncherError(f"the lock of {tree.name} does not install; what pip said is above")


def remove(tree: Path) -> None:
    """Remove a work tree, also one that a killed run left behind."""
    if tree.exists():
        must(git("worktree", "remove", "--force", str(tree)))
    git("worktree", "prune")


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", PROJECT_ROOT, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def must(result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode:
        raise LauncherError(f"git: {result.stderr.strip()}")
