"""The image: holds what runs and nothing else, and runs it without privileges."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from tests.system.deployment.files import DOCKER, ROOT, instructions

DOCKERFILE = instructions()


def last(keyword: str) -> str:
    """Return the arguments of the last instruction of a kind."""
    return [arguments for word, arguments in DOCKERFILE if word == keyword][-1]


def admitted() -> set[str]:
    """Return what .dockerignore lets through."""
    first, *rules = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"
    ]
    assert first == "*"
    return {rule[1:] for rule in rules if rule.startswith("!")}


def test_all_that_is_copied_exists() -> None:
    missing = {path for path in admitted() if not (ROOT / path).exists()}
    assert missing == set()


def test_the_applications_and_their_files_are_in_the_image() -> None:
    local = [Path(config.path) for config in apps.get_app_configs()]
    wanted = [path for path in local if path.is_relative_to(ROOT) and ".venv" not in path.parts]
    wanted += [Path(path) for path in settings.TEMPLATES[0]["DIRS"]]
    wanted += [Path(path) for path in getattr(settings, "STATICFILES_DIRS", [])]
    names = {str(path.relative_to(ROOT)) for path in wanted}
    assert len(names) >= 5
    assert (
        names | {"exchange_poc", "manage.py", "pyproject.toml", "requirements.lock"} <= admitted()
    )


@pytest.mark.parametrize("name", [".git", ".venv", ".local", "tests", "docker/.env", "docker"])
def test_what_does_not_run_stays_outside(name: str) -> None:
    assert name not in admitted()


def test_the_image_runs_as_an_unprivileged_user() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last("USER"))


def test_dependencies_are_the_locked_ones() -> None:
    installs = [arguments for word, arguments in DOCKERFILE if word == "RUN" and "pip" in arguments]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "requirements-dev" not in (DOCKER / "Dockerfile").read_text()


def test_the_commands_are_executable_and_need_no_shell() -> None:
    for keyword in ("ENTRYPOINT", "CMD"):
        assert json.loads(last(keyword))
    [entrypoint] = json.loads(last("ENTRYPOINT"))
    script = ROOT / Path(entrypoint).relative_to(last("WORKDIR"))
    assert script.stat().st_mode & 0o111
    assert 'exec "$@"' in script.read_text()


def test_no_secret_is_baked_in() -> None:
    declared = [arguments for word, arguments in DOCKERFILE if word in {"ARG", "ENV"}]
    assert not re.search(r"SECRET|PASSWORD|KEY|TOKEN|_URL", " ".join(declared))
    assert ".env" in (DOCKER / ".gitignore").read_text().split()


#: Imports what web server, worker and beat do, with the named packages out of sight.
IMPORT_ALL_WITHOUT = """
import sys
class Hidden:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden)
import django
django.setup()
import exchange_poc.urls, exchange_poc.wsgi, exchange_poc.web.__main__
import openpyxl  # loaded where somebody exports
from exchange_poc.celery import app
app.loader.import_default_modules()
app.connection_for_read().transport
"""


def test_the_lock_holds_all_that_the_processes_need() -> None:
    # The tests' own environment holds more, where a missing package would go unnoticed.
    lock = (ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    unlocked = [
        package
        for package, owners in packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners} & locked
    ]
    assert "pytest" in unlocked
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_WITHOUT, *unlocked],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "exchange_poc.settings"},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
