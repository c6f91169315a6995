#!/usr/bin/env python
"""Check that each package of requirements.lock comes as a hashed wheel wherever the exchange runs.

`make wheels` downloads every one of them for each Python and platform below, takes some minutes
and a network, and notes the lock that passed; a test tells when a lock is not the one noted.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
CHECKED = ROOT / ".ci" / "wheels-checked"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
#: Linux with glibc 2.28 (Debian 10, RHEL 8) or newer; macOS 14 or newer.
PLATFORMS = {
    ("linux", "x86_64"): ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    ("linux", "aarch64"): (
        "manylinux_2_28_aarch64",
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
    ),
    ("darwin", "x86_64"): ("macosx_14_0_x86_64",),
    ("darwin", "arm64"): ("macosx_14_0_arm64",),
}


def main() -> int:
    missing = 0
    for python, ((system, machine), tags) in product(PYTHONS, PLATFORMS.items()):
        found, complaint = download(wanted(python, system, machine), python, tags)
        print(f"Python {python} on {system} {machine}: {found} wheels {complaint}", flush=True)
        missing += bool(complaint)
    if missing:
        return 1
    CHECKED.write_text(hashlib.sha256(LOCK.read_bytes()).hexdigest() + "\n")
    return 0


def wanted(python: str, system: str, machine: str) -> str:
    """Return the lock's entries that such a machine installs, without their markers."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.4",
        "sys_platform": system,
        "platform_machine": machine,
        "implementation_name": "cpython",
    }
    entries = re.findall(r"^[^\s#].*(?:\n[ \t].*)*", LOCK.read_text(), re.MULTILINE)
    kept = []
    for entry in entries:
        _, _, marker = entry.partition("\\\n")[0].partition(" ; ")
        if not marker or Marker(marker.strip()).evaluate(environment):
            kept.append(entry.replace(f" ; {marker}", " ") if marker else entry)
    return "\n".join(kept) + "\n"


def download(entries: str, python: str, tags: tuple[str, ...]) -> tuple[int, str]:
    """Return how many wheels came, and what pip complained of where one did not."""
    with tempfile.TemporaryDirectory() as scratch:
        lock, wheels = Path(scratch, "lock"), Path(scratch, "wheels")
        lock.write_text(entries)
        command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
        command += ["--implementation", "cp", "--python-version", python]
        command += [word for tag in tags for word in ("--platform", tag)]
        result = subprocess.run(
            [*command, "--requirement", lock, "--dest", wheels],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        return len(list(wheels.glob("*.whl"))), result.stderr.strip() if result.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
