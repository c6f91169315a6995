"""A bundle is checked by a process of its own where there is no server and none is started."""

import os
import subprocess
import sys
from pathlib import Path

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.console import seeded
from tests.kpi.bundles.conftest import bundle, content

__all__ = ["bundle", "content", "seeded"]


def test_it_is_checked_where_no_server_is(bundle: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "DJANGO_SECRET_KEY"}
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "verify_audit", "--bundle", str(bundle)],
        cwd=PROJECT_ROOT,
        env=environment | {"LOCAL_DIR": str(local)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "is sound" in done.stdout
    assert not local.exists()
