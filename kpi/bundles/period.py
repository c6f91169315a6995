"""A closed period as verified bundles, one a day. Nothing is removed (docs/bundles.md says why)."""

from collections.abc import Callable, Iterator
from pathlib import Path

from django.db.models import Min
from django.utils import timezone

from accounts.models import Transfer
from kpi.bundles.day import Day
from kpi.bundles.verification import BundleReport, verify_bundles
from kpi.bundles.writing import file_name, write_day
from kpi.errors import PeriodNotClosed


def archive_period(
    *,
    until: Day,
    directory: Path,
    form: str = "csv",
    wrote: Callable[[Path], None] = lambda path: None,
    checked: Callable[[BundleReport], None] = lambda report: None,
) -> int:
    """Write the days before ``until`` that are not in a directory yet, then check all of them.

    Returns how many differences there are, in bundles of earlier times too. Raises
    PeriodNotClosed, BundleRefused, OSError, and as ``export_day``.
    """
    if not until.before.is_over(timezone.now()):
        raise PeriodNotClosed
    directory.mkdir(parents=True, exist_ok=True)
    days = {directory / file_name(day): day for day in days_until(until)}
    for path, day in days.items():
        if not path.exists():
            write_day(day=day, path=path, form=form)
            wrote(path)
    expected = {path.name: str(day) for path, day in days.items()}

    def check(report: BundleReport) -> None:
        hold_to_its_day(report, expected[report.name])
        checked(report)

    return verify_bundles([*days], done=check)


def hold_to_its_day(report: BundleReport, day: str) -> None:
    """Hold a bundle that stands for a whole day of the period against that day."""
    if report.day != day:
        report.add(f"it is of another day, {report.day}")
    elif not report.finished:
        report.add("it was written before the day was over: export it again with --force")


def days_until(until: Day) -> Iterator[Day]:
    """Yield the days from the first transfer on, up to but without ``until``."""
    first = Transfer.objects.aggregate(at=Min("created_at"))["at"]
    day = until if first is None else Day.of(first)
    while day.date < until.date:
        yield day
        day = day.next
