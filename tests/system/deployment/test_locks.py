"""The lock files: complete, and checked on every Python and platform that the README names."""

import hashlib
import re
from pathlib import Path

from tests.system.deployment.files import ROOT


def entries(path: Path) -> set[str]:
    """Return what a lock pins, hashes included."""
    text = path.read_text().replace("\\\n", " ")
    return {" ".join(line.split()) for line in text.splitlines() if re.match(r"[a-z0-9]", line)}


def test_each_lock_holds_the_one_it_adds_to() -> None:
    names = ("requirements.lock", "requirements-lab.lock", "requirements-dev.lock")
    runtime, lab, development = (entries(ROOT / name) for name in names)
    assert len(runtime) > 50
    assert runtime < lab < development


def test_every_locked_package_was_seen_as_a_wheel_for_all_that_the_readme_names() -> None:
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    checked = (ROOT / ".ci" / "wheels-checked").read_text().strip()
    assert checked == digest, "requirements.lock has changed: run `make wheels`"
