"""Without the lab's extra all else works, and what computes says what to install."""

import os
import subprocess
import sys

import pytest

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from kpi.lab.errors import LabNotInstalled
from tests.kpi.lab.test_command import lab
from tests.system.lab.conftest import Written

#: Put before a script: the packages of the extra are not there.
BLOCKED = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"numpy", "duckdb", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""
IMPORTS = """
import importlib, pkgutil
NEED = {"kpi.lab", "risk.arrays"}
missed = []
for package in ("market", "accounts", "risk", "trading", "kpi", "exchange_poc"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if ".migrations." in module.name or module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            assert error.name.partition(".")[0] in {"numpy", "duckdb", "matplotlib"}, error
            missed.append(module.name)
        except RuntimeError as error:
            assert "postgresql" in module.name or "web" in module.name, (module.name, error)
print(*missed)
"""
PAGES = """
import django
django.setup()
from django.test import Client
from accounts.models import User
from kpi.lab.models import LabCell, LabStudy
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.create_superuser("chief"))
study, cell = LabStudy.objects.first(), LabCell.objects.first()
for page in (
    "labstudy/", f"labstudy/{study.pk}/change/", f"labstudy/{study.pk}/comparison/",
    f"labstudy/{study.pk}/put_in_force/", "labcell/", f"labcell/{cell.pk}/change/",
):
    answer = client.get(f"/admin/kpi/{page}")
    assert answer.status_code == 200, (page, answer.status_code)
assert "Liquidated notional: difference to seed" in client.get(
    f"/admin/kpi/labstudy/{study.pk}/comparison/").content.decode()
"""
VERBS = """
import sys
from django.core.management import CommandError, call_command
for verb in ("list", "show"):
    call_command("lab", verb, *sys.argv[1:] if verb == "show" else [])
for verb in ("check", "run", "resume", "compare", "report", "export", "events"):
    try:
        call_command("lab", verb, *sys.argv[1:])
    except CommandError as refusal:
        print(f"{verb}: {refusal}")
"""


def python(script: str, environment: dict[str, str], *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", BLOCKED + script, *arguments],
        cwd=PROJECT_ROOT,
        env=environment | {"DJANGO_SETTINGS_MODULE": "exchange_poc.settings"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_stored_runs_are_read_and_computing_says_what_to_install(
    study: Written, environment: dict[str, str]
) -> None:
    """Only what computes needs the extra, of all modules."""
    path = study(seeds=1, accounts=100)
    lab("run", path, "--processes", "1")
    *told, missed = python(PAGES + VERBS + IMPORTS, environment, str(path)).splitlines()
    assert "crash" in told[0]
    refused = [line.partition(": ") for line in told if "make lab" in line]
    assert [verb for verb, _, _ in refused] == [
        *("check", "run", "resume", "compare", "report", "export", "events")
    ]
    assert {text for _, _, text in refused} == {LabNotInstalled.detail}
    check_that_only_what_computes(missed.split())


def check_that_only_what_computes(missed: list[str]) -> None:
    assert missed
    assert {name for name in missed if not name.startswith(("kpi.lab.", "risk.arrays."))} == set()
    loaded = {
        *("admin", "api", "models", "services", "selectors", "queue", "runs", "crew", "config"),
        *("study", "console", "compare", "export", "report", "metrics", "policies", "asked"),
    }
    assert loaded & {name.removeprefix("kpi.lab.") for name in missed} == set()


@pytest.mark.django_db
def test_the_finder_blocks() -> None:
    with pytest.raises(AssertionError, match="No module named 'numpy'"):
        python("import numpy", dict(os.environ))
