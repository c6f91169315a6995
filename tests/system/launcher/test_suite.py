"""``launcher test`` runs pytest on servers of its own and leaves none of it behind."""

from pathlib import Path

from tests.system.launcher.client import launch
from tests.system.launcher.conftest import running_in

PROBE = """
import os
import psycopg

def test_servers():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    assert os.environ["LOCAL_DIR"].startswith({below!r})

def test_failure():
    raise AssertionError
"""


def test_pytest_gets_throwaway_servers_and_its_status_is_returned(local_dir: Path) -> None:
    probe = local_dir / "test_probe.py"
    probe.write_text(PROBE.format(below=f"{local_dir}/test/run-"))
    options = ("-p", "no:cacheprovider", "-c", "/dev/null", "--noconftest")
    process = launch(
        local_dir, "test", "--", *options, str(probe), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    output = process.communicate(timeout=60)[0]
    assert "1 failed, 1 passed" in output
    assert process.returncode == 1
    assert [path.name for path in (local_dir / "test").iterdir()] == ["sweep.lock"]
    assert running_in(local_dir) == []
