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


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels, and beside them the environment of all tests here: to make one takes seconds."""
    return tmp_path_factory.mktemp("shelf")


def install(lock: Path) -> subprocess.Popen[str]:
    venv = lock.parent / "venv"
    return subprocess.Popen(
        [sys.executable, "-I", INSTALL, "--venv", venv, "--stamp", f".{lock.stem}", lock],
        env=os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(lock.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def installed(shelf: Path, names: str) -> set[str]:
    libraries = shelf.glob(f"venv/lib/python3*/site-packages/{names}.dist-info")
    return {path.stem for path in libraries}


def test_two_commands_on_a_half_made_environment_install_once(shelf: Path) -> None:
    (shelf / "venv" / "bin").mkdir(parents=True)
    (shelf / "venv" / "bin" / "python").symlink_to(sys.executable)
    lock = shelf / "some.lock"
    needs = wheel(shelf, "needs", "1.0", "Requires-Dist: needed[toml]>=1.0\n")
    lock.write_text(wheel(shelf, "needed", "1.0") + needs)
    # Beside them lies a later release, of a package that an extra of another one asks for.
    wheel(shelf, "needed", "2.0")
    results = [finish(process) for process in [install(lock), install(lock)]]
    assert [status for status, _ in results] == [0, 0], results
    assert sorted("Creating" in output for _, output in results) == [False, True]
    assert sorted("Installing" in output for _, output in results) == [False, True]
    assert installed(shelf, "need*") == {"needed-1.0", "needs-1.0"}


def test_a_lock_that_misses_a_package_is_refused_and_tried_again(shelf: Path) -> None:
    lock, wanted = shelf / "other.lock", wheel(shelf, "wanted", "1.0")
    wants = wheel(shelf, "wants", "1.0", "Requires-Dist: wanted\n")
    lock.write_text(wants)
    status, output = finish(install(lock))
    assert status != 0
    assert "wants 1.0 requires wanted, which is not installed" in output
    lock.write_text(wanted + wants)
    assert finish(install(lock))[0] == 0
    assert installed(shelf, "want*") == {"wanted-1.0", "wants-1.0"}
