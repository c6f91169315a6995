"""``manage.py check`` finds a broken page, whatever it is asked, and nothing else in production."""

import subprocess
import sys
from pathlib import Path

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.each import each
from tests.system.security.test_api8_misconfiguration import ENVIRONMENT

SETTINGS = """
from exchange_poc.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "broken"]
"""
PAGE = """
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType

@admin.register(ContentType)
class Page(admin.ModelAdmin):
    list_display = ("no_such_column",)
"""


@each("asked", [("--tag", "admin"), ("--deploy", "--fail-level", "WARNING")])
def test_a_broken_page_is_all_that_is_found(tmp_path: Path, asked: tuple[str, ...]) -> None:
    """So an exchange under HTTPS passes Django's own check of deployments."""
    (tmp_path / "broken").mkdir(exist_ok=True)
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "admin.py").write_text(PAGE)
    (tmp_path / "broken_settings.py").write_text(SETTINGS)
    places = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "broken_settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", *asked],
        cwd=PROJECT_ROOT,
        env={**ENVIRONMENT, "DJANGO_HTTPS": "true", **places},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.count("(admin.E108)") == 1
    assert "System check identified 1 issue (" in done.stderr
