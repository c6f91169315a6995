"""``launcher test`` runs pytest on servers of its own and leaves none of it behind."""

from pathlib import Path

from tests.launcher.client import launch
from tests.launcher.conftest import running_in

PROBE = """
import os
import psycopg

def test_probe():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    assert os.environ["LOCAL_DIR"].startswith({below!r})
    assert {verdict}
"""


def run_probe(local_dir: Path, *, verdict: bool) -> tuple[int, str]:
    probe = local_dir / "test_probe.py"
    probe.write_text(PROBE.format(below=f"{local_dir}/test/run-", verdict=verdict))
    options = ("-p", "no:cacheprovider", "-c", "/dev/null", "--noconftest")
    process = launch(
        local_dir, "test", "--", *options, str(probe), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    output = process.communicate(timeout=60)[0]
    return process.returncode, output


def test_pytest_gets_throwaway_servers_and_its_status_is_returned(local_dir: Path) -> None:
    status, output = run_probe(local_dir, verdict=True)
    assert status == 0, output
    status, output = run_probe(local_dir, verdict=False)
    assert status == 1, output
    assert [path.name for path in (local_dir / "test").iterdir()] == ["sweep.lock"]
    assert running_in(local_dir) == []
