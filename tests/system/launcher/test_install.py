"""The first step of every command: lock files into a virtual environment, whatever else exists."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exchange_poc.launcher.local_dir import PROJECT_ROOT

INSTALL = PROJECT_ROOT / "exchange_poc" / "launcher" / "install.py"


def wheel(directory: Path, name: str, version: str, requires: str = "") -> str:
    """Write a wheel that holds nothing and return the line that locks it."""
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: toml\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata + requires)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file, beside the wheels that it names and a later release of one of them."""
    line = wheel(tmp_path, "needed", "1.0")
    path = tmp_path / "some.lock"
    path.write_text(line + wheel(tmp_path, "needs", "1.0", "Requires-Dist: needed[toml]>=1.0\n"))
    wheel(tmp_path, "needed", "2.0")
    return path


def install(lock: Path) -> subprocess.Popen[str]:
    venv = lock.parent / "venv"
    return subprocess.Popen(
        [sys.executable, "-I", INSTALL, "--venv", venv, "--stamp", ".done", lock],
        env=os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(lock.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def installed(lock: Path) -> set[str]:
    libraries = lock.parent.glob("venv/lib/python3*/site-packages/need*.dist-info")
    return {path.stem for path in libraries}


def test_two_commands_on_a_fresh_clone_install_once(lock: Path) -> None:
    results = [finish(process) for process in [install(lock), install(lock)]]
    assert [status for status, _ in results] == [0, 0], results
    assert sorted("Installing" in output for _, output in results) == [False, True]
    # Beside them lies a later release, of a package that an extra of another one asks for.
    assert installed(lock) == {"needed-1.0", "needs-1.0"}


def test_a_lock_that_misses_a_package_is_refused_and_tried_again(lock: Path) -> None:
    complete = lock.read_text()
    lock.write_text(complete.splitlines()[1])
    status, output = finish(install(lock))
    assert status != 0
    assert "needs 1.0 requires needed, which is not installed" in output
    lock.write_text(complete)
    assert finish(install(lock))[0] == 0


def test_a_half_made_environment_is_made_anew(lock: Path) -> None:
    (lock.parent / "venv" / "bin").mkdir(parents=True)
    (lock.parent / "venv" / "bin" / "python").symlink_to(sys.executable)
    status, output = finish(install(lock))
    assert status == 0, output
    assert installed(lock) == {"needed-1.0", "needs-1.0"}
