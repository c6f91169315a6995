"""A LOCAL_DIR for the launcher's tests, and a look at what still runs in it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.launcher.client import launch


@pytest.fixture(autouse=True)
def forget_rate_limits() -> None:
    """Stand in for the fixture of the same name: no test here uses the application's cache."""


@pytest.fixture(scope="module")
def local_dir() -> Iterator[Path]:
    """An empty LOCAL_DIR that the servers' unprivileged user can reach."""
    path = Path(tempfile.mkdtemp(prefix="launcher-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    output = launch(path, "clean-data").communicate(timeout=30)[0]
    assert "deleted" in output
    assert running_in(path) == []
    shutil.rmtree(path)


def running_in(directory: Path) -> list[str]:
    """Return the command lines of the processes that keep a file in ``directory`` open."""
    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline", "open_files"])
        if any(
            Path(file.path).is_relative_to(directory) for file in process.info["open_files"] or []
        )
    ]
