"""Which code computes: the commit, and a digest of the sources that a result depends on."""

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
#: Where the rules and the lab stand; what they read candles and round amounts with.
RULES: Final = (
    "risk/*.py",
    "risk/arrays/*.py",
    "kpi/lab/inputs/*.py",
    "kpi/lab/cells/*.py",
    "market/kernel/amounts.py",
    "market/candle_files.py",
)


@cache
def rules_digest() -> str:
    """Return the SHA-256 of the sources of the rules and of the lab."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in RULES for file in ROOT.glob(pattern)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(ROOT).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def commit() -> str:
    """Return the commit that runs, with ``-dirty`` where files differ from it.

    An image has no repository and says it by ``EXCHANGE_COMMIT``; empty where nothing says it.
    """
    built_from = os.environ.get("EXCHANGE_COMMIT", "")
    if built_from or not (ROOT / ".git").exists():
        return built_from
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("-dirty" if changed else "")


def git(*arguments: str) -> str:
    """Return what git answers, nothing where it cannot."""
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
