"""A seeded exchange and its day in one file."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from kpi.bundles.day import Day
from kpi.bundles.export import export_day
from tests.conftest import undone
from tests.console import clerk, exchange, seeded, staff, trader

__all__ = ["clerk", "exchange", "seeded", "staff", "trader"]

Export = Callable[..., Path]
#: Files of a bundle by their names.
Files = dict[str, bytes]


@pytest.fixture
def today(exchange: None) -> Day:
    """The day on which everything in the exchange happened."""
    return Day.of(timezone.now())


@pytest.fixture
def export(today: Day, tmp_path: Path) -> Export:
    """Export today, as somebody would once it is over, and return the file."""

    def run(*arguments: str, name: str = "day.zip", days: int = 1, day: Day = today) -> Path:
        path = tmp_path / name
        with time_machine.travel(today.start + timedelta(days=days, hours=1)):
            call_command("export_day", str(day), "--out", str(path), *arguments, verbosity=0)
        return path

    return run


@pytest.fixture(scope="module")
def content(seeded: str, django_db_blocker: DjangoDbBlocker) -> bytes:
    """The bundle of a seeded exchange's day, made once for all tests of a file."""
    buffer, day = io.BytesIO(), Day.of(timezone.now())
    with undone(django_db_blocker), time_machine.travel(day.end + timedelta(hours=1)):
        with connection.cursor() as cursor:
            cursor.execute(seeded)
        export_day(day=day, to=buffer)
    return buffer.getvalue()


@pytest.fixture
def bundle(
    db: None, content: bytes, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Path]:
    """That bundle as a file, which needs no database.

    There is one only where a test of the run asks for it, so this does, and keeps it from the test.
    """
    path = tmp_path / "day.zip"
    path.write_bytes(content)
    with django_db_blocker.block():
        yield path


def files_of(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(path: Path) -> dict[str, Any]:
    return json.loads(files_of(path)["manifest.json"])


def rows_of(path: Path, table: str) -> list[dict[str, str]]:
    text = files_of(path)[f"{table}.csv"].decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write an archive of some files, as any program would."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path
