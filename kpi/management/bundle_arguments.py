"""What commands about bundles take, and what they say."""

from argparse import ArgumentTypeError
from datetime import date

from django.core.management.base import BaseCommand

from kpi.bundles.day import Day
from kpi.bundles.verification import BundleReport


def day_of(text: str) -> Day:
    """Read a date. Raises ArgumentTypeError."""
    try:
        return Day(date.fromisoformat(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day: write 2026-01-31") from None


def tell(command: BaseCommand, report: BundleReport) -> None:
    """Say of a bundle what is wrong with it, or that it is sound."""
    for difference in report.differences:
        command.stderr.write(f"{report.name}: {difference}")
    if not report.count:
        command.stdout.write(command.style.SUCCESS(describe(report)))


def describe(report: BundleReport) -> str:
    """Return the lines about a bundle that is sound."""
    unfinished = "" if report.finished else ", exported before the day was over"
    return (
        f"{report.name} is sound: {report.day}{unfinished}, {report.files} files, "
        f"{report.rows:,} rows; chain from record {report.before[0]} to {report.after[0]}\n"
        f"seal {report.seal}"
    )
