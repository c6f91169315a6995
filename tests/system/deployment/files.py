"""The deployment's files, as its tests read them."""

import json
import os
import re
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from django.conf import global_settings

ROOT: Final = Path(__file__).resolve().parents[3]
DOCKER: Final = ROOT / "docker"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
#: The services that run the exchange's own image.
IMAGE: Final = "exchange-poc:local"
APP_SERVICES: Final = {name: s for name, s in SERVICES.items() if s["image"] == IMAGE}

APPS: Final = ("market", "accounts", "risk", "trading", "kpi", "exchange_poc")
READ_FROM_ENVIRONMENT: Final = re.compile(
    r"""(?:os\.environ(?:\.get\(|\[)|\b(?:text|flag|words|networks|rate|number)\("""
    r"""|variable: ClassVar\[str\] = )"""
    r"""["']([A-Z_]+)["']"""
)


def variables_of_code() -> set[str]:
    """Return the environment variables that the project's own code reads."""
    sources = [file for app in APPS for file in (ROOT / app).rglob("*.py")]
    return {name for file in sources for name in READ_FROM_ENVIRONMENT.findall(file.read_text())}


def table_column(path: Path) -> list[str]:
    """Return the code words in the first cells of a document's table rows."""
    rows = [line for line in path.read_text().splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def instructions() -> list[list[str]]:
    """Return the Dockerfile's instructions as [keyword, arguments]."""
    text = (DOCKER / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [line.split(maxsplit=1) for line in joined.splitlines() if line]


def image_command() -> list[str]:
    """Return the image's CMD."""
    [arguments] = [arguments for word, arguments in instructions() if word == "CMD"]
    return list(json.loads(arguments))


def service_command(name: str) -> list[str]:
    """Return the command of a compose service; variables have their defaults."""
    return [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in SERVICES[name]["command"]]


def loaded_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return Django's defaults and what the settings file makes of an environment, read anew.

    A process of its own for each environment takes a hundred times as long.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in {*os.environ} - {*environment}:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        return vars(global_settings) | runpy.run_path(str(ROOT / "exchange_poc" / "settings.py"))
