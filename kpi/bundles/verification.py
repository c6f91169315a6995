"""Verifies bundles anywhere: their hashes, their rows, their part of the trail, their books.

Needs no database and no server. It says that nothing was changed since the seal was made; whether
the seal is the one that the exchange made, only a copy of it elsewhere can say.
"""

import csv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from kpi.bundles.chain_check import Head
from kpi.bundles.opening import DAMAGED, MANIFEST, Measured, document, opened, seal_of
from kpi.bundles.readers import READERS, Checks
from kpi.errors import BundleRefused
from kpi.lab.errors import one_line

KIND: Final = "exchange_poc_day"
SCHEMAS: Final = (1,)
#: Differences that are told; all are counted.
MOST_TOLD: Final = 100
FLAWED: Final = (*DAMAGED, ValueError, KeyError, TypeError, RecursionError, csv.Error)


@dataclass(slots=True)
class BundleReport:
    """What was found in a bundle; sound, it has no difference."""

    name: str
    day: str = ""
    seal: str = ""
    finished: bool = False
    files: int = 0
    rows: int = 0
    before: Head = (0, "")
    after: Head = (0, "")
    opening: Mapping[int, int] = field(default_factory=dict)
    closing: Mapping[int, int] = field(default_factory=dict)
    count: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, difference: str) -> None:
        """Tell of a difference; what the bundle itself says in it may be anything."""
        self.count += 1
        if len(self.differences) < MOST_TOLD:
            self.differences.append(one_line(difference))


def verify_bundle(path: Path) -> BundleReport:
    """Check a bundle against its own manifest. Raises BundleRefused where it is none."""
    try:
        return _verified(path)
    except OSError as error:
        raise BundleRefused(f"{path.name} cannot be read: {error}.") from error


def _verified(path: Path) -> BundleReport:
    report = BundleReport(path.name)
    with opened(path) as archive:
        manifest = document(archive, MANIFEST)
        files = files_told(manifest)
        report.day, report.finished = day_told(manifest), manifest.get("finished") is True
        check_names(report, archive, files)
        checks = Checks(manifest, files)
        for told in files:
            check_file(report, archive, told, checks)
        report.files = len(files)
        report.before, report.after = checks.chain.before, checks.chain.after
        report.opening, report.closing = checks.books.opening, checks.books.closing
        if not report.count:
            for difference in checks.differences():
                report.add(difference)
    report.seal, is_sound = seal_of(path)
    if not is_sound and not report.count:
        report.add("the archive was changed outside its files, or its manifest was")
    return report


def files_told(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a manifest says of its files. Raises BundleRefused."""
    if manifest.get("bundle") != KIND:
        raise BundleRefused(f"{MANIFEST} is not that of a day.")
    if manifest.get("schema") not in SCHEMAS:
        raise BundleRefused(
            f"The bundle has schema {manifest.get('schema')!r:.40}; this exchange knows "
            f"{', '.join(map(str, SCHEMAS))}. Check it with the version that wrote it."
        )
    files = manifest.get("files")
    if not isinstance(files, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in files
    ):
        raise BundleRefused(f"{MANIFEST} tells of no files.")
    return files


def day_told(manifest: Mapping[str, Any]) -> str:
    """Return the day that a manifest is of. Raises BundleRefused."""
    try:
        return date.fromisoformat(manifest["day"]).isoformat()
    except (KeyError, TypeError, ValueError) as error:
        raise BundleRefused(f"{MANIFEST} tells of no day.") from error


def check_names(
    report: BundleReport, archive: zipfile.ZipFile, files: Sequence[Mapping[str, Any]]
) -> None:
    """Hold the names of the archive's files against those of the manifest."""
    names, told = {*archive.namelist()}, {one["name"] for one in files}
    for name in sorted(told - names):
        report.add(f"{name} is missing")
    for name in sorted(names - told - {MANIFEST}):
        report.add(f"{name} was added: the manifest does not tell of it")
    if len(told) < len(files):
        report.add("the manifest tells of a file twice")


def check_file(
    report: BundleReport, archive: zipfile.ZipFile, told: Mapping[str, Any], checks: Checks
) -> None:
    """Hold a file against what the manifest says of it, and look at its rows."""
    name = told["name"]
    if name not in archive.namelist():
        return
    found: list[str] = []
    rows = 0
    try:
        with archive.open(name) as packed:
            file = Measured(packed)
            try:
                rows = READERS[name.rpartition(".")[2]](file, told, checks, found.append)
            finally:
                file.exhaust()
    except FLAWED as error:
        found.insert(0, f"cannot be read: {str(error) or type(error).__name__:.200}")
    else:
        if (file.size, file.digest.hexdigest()) != (told.get("size"), told.get("sha256")):
            found.insert(0, "its bytes are not those that the manifest tells of")
        elif rows != told.get("rows", 0):
            found.insert(0, f"it has {rows:,} rows, the manifest tells of {told.get('rows')!r:.20}")
    report.rows += rows
    for difference in found:
        report.add(f"{name}: {difference}")


def verify_bundles(
    paths: Sequence[Path], *, done: Callable[[BundleReport], None] = lambda report: None
) -> int:
    """Check bundles one by one, and that each goes on where the one of the day before ends.

    ``done`` is told what was found in each; returns how many differences. Raises BundleRefused,
    LabNotInstalled.
    """
    count, previous = 0, None
    for path in paths:
        report = verify_bundle(path)
        if previous is not None and follows(previous, report):
            hold_together(previous, report)
        done(report)
        count, previous = count + report.count, report
    return count


def follows(previous: BundleReport, report: BundleReport) -> bool:
    """Tell whether a bundle is of the day after another's, which was over."""
    first, second = date.fromisoformat(previous.day), date.fromisoformat(report.day)
    return previous.finished and second - first == timedelta(days=1)


def hold_together(previous: BundleReport, report: BundleReport) -> None:
    """Hold the beginning of a day against the end of the day before."""
    if report.before != previous.after:
        report.add(f"the audit trail does not go on from {previous.name}")
    for account in sorted({*previous.closing, *report.opening}):
        if previous.closing.get(account, 0) != report.opening.get(account, 0):
            report.add(f"account {account} does not begin with the balance of {previous.name}")
