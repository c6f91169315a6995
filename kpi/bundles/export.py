"""Makes the bundle of a day: one moment of the database, row by row, however many there are."""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from kpi.audit.chain import moment
from kpi.audit.sealing import MOST, seal_records, unsealed
from kpi.bundles.archive import Archive, Written
from kpi.bundles.day import Day
from kpi.bundles.files import WRITERS
from kpi.bundles.opening import MANIFEST
from kpi.bundles.policies import policies_of
from kpi.bundles.shapes import Row, Table, rows_of
from kpi.bundles.tables import TABLES
from kpi.bundles.trail import FILE, WHY, Trail
from kpi.errors import BundleTooSlow, DayNotBegun, TrailNotSealed
from kpi.lab.inputs.sources import commit
from kpi.models import Forgotten
from market.kernel.snapshot import consistent_read

#: Names the kind of file, and the version of what is in it: tables, columns, manifest.
KIND: Final = "exchange_poc_day"
SCHEMA: Final = 1
POLICIES: Final = "policy.json"
#: Rows between two calls of the progress.
STEP: Final = 50_000

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long an export may take and how large it may become; None bounds nothing."""

    seconds: float | None = None
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written: the archive's seal, and what its manifest says."""

    seal: str
    manifest: dict[str, Any]


def export_day(
    *,
    day: Day,
    to: BinaryIO,
    form: str = "csv",
    bounds: Bounds = Bounds(),
    progress: Progress = lambda name, rows: None,
) -> Bundle:
    """Write what happened on a day, all of one moment, and return what was written.

    A day that is over gives the same bytes each time. ``progress`` is told now and then how many
    rows of a table are done. Raises DayNotBegun, TrailNotSealed, BundleTooLarge, BundleTooSlow,
    LabNotInstalled.
    """
    now = timezone.now()
    if not day.has_begun(now):
        raise DayNotBegun
    watch = Watch(bounds.seconds)
    seal_trail(watch)
    with in_time(watch), Archive(to, most_bytes=bounds.most_bytes) as archive:
        manifest = write_files(archive, day, form, watched(watch.look, progress))
        manifest |= {"finished": day.is_over(now), **origin()}
        archive.add(MANIFEST, [as_json(manifest)])
    return Bundle(archive.seal, manifest)


def seal_trail(watch: "Watch") -> None:
    """Seal what waits, since a bundle has sealed records alone. Raises TrailNotSealed."""
    sealed = seal_records(most=MOST, between=watch.look)
    if sealed >= MOST and unsealed().exists():
        raise TrailNotSealed(sealed)


Watched = Callable[[Table, Iterable[Row]], Iterator[Row]]


def write_files(archive: Archive, day: Day, form: str, watch: Watched) -> dict[str, Any]:
    """Write every file but the manifest, and return what that says of them."""
    files, gone = [], forgotten_since(day)
    for table in TABLES:
        counted = Counted(watch(table, rows_of(table, day)))
        written = archive.add(f"{table.name}.{form}", WRITERS[form](table, counted))
        kinds = [[column.name, column.kind] for column in table.columns]
        told = {"rows": counted.count, "columns": kinds, "whole": table.db_table not in gone}
        files.append(entry(written, table.why, **told))
    trail = Trail(day)
    written = archive.add(FILE, (line.encode() for line in trail.lines()))
    files.append(entry(written, WHY, rows=trail.runs.records))
    written = archive.add(POLICIES, [as_json(policies_of(day))])
    files.append(entry(written, "The policy in force before the day and at its end."))
    return {
        "bundle": KIND,
        "schema": SCHEMA,
        "day": str(day),
        "start": moment(day.start),
        "end": moment(day.end),
        "format": form,
        "files": files,
        "audit": trail.facts(),
    }


def forgotten_since(day: Day) -> set[str]:
    """Return the tables of which rows of the day may have been forgotten for their age."""
    return {*Forgotten.objects.filter(until__gt=day.start).values_list("table", flat=True)}


def entry(written: Written, why: str, **more: Any) -> dict[str, Any]:
    return {**asdict(written), **more, "why": why}


def as_json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def origin() -> dict[str, Any]:
    """Return which exchange wrote it: its version, its commit, its migrations."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        migrations = sorted(name for (name,) in cursor.fetchall())
    return {
        "exchange": {
            "version": settings.SPECTACULAR_SETTINGS["VERSION"],
            "commit": commit(),
            "migrations": migrations,
        }
    }


class Counted:
    """Rows that are counted as they are read."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            self.count += 1
            yield row


class Watch:
    """A look at the clock since an export was asked for; None bounds nothing."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.started = time.monotonic()

    def look(self) -> float | None:
        """Return how many seconds are left. Raises BundleTooSlow where none is."""
        if self.seconds is None:
            return None
        left = self.started + self.seconds - time.monotonic()
        if left <= 0:
            raise BundleTooSlow(self.seconds)
        return left


@contextmanager
def in_time(watch: Watch) -> Iterator[None]:
    """Read one moment of the database. Raises BundleTooSlow where a statement takes too long."""
    with consistent_read():
        if (left := watch.look()) is not None:
            limit_statements(left)
        try:
            yield
        except OperationalError:
            watch.look()  # a statement that the server ended was too slow, not at fault
            raise


def limit_statements(seconds: float) -> None:
    """Let no statement of the transaction take longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true)", [str(math.ceil(1000 * seconds))]
        )


def watched(look: Callable[[], object], progress: Progress) -> Watched:
    """Return what looks at the clock and tells the progress while rows are read."""

    def watch(table: Table, rows: Iterable[Row]) -> Iterator[Row]:
        number = 0
        for number, row in enumerate(rows, start=1):
            if number % 1_000 == 0:
                look()
            if number % STEP == 0:
                progress(table.name, number)
            yield row
        look()
        progress(table.name, number)

    return watch
