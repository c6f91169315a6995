"""``export_audit``: write the audit trail to standard output, to be verified elsewhere."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.dateparse import parse_date, parse_datetime

from kpi.audit.export import FORMATS
from kpi.audit.sealing import seal_records
from kpi.audit.selectors import exported_records


def moment_of(text: str) -> datetime:
    """Read an ISO 8601 date or time; one without a zone is UTC."""
    try:
        at = parse_datetime(text) if "T" in text or " " in text else None
        day = parse_date(text) if at is None else None
    except ValueError:
        at = day = None
    if at is None and day is not None:
        at = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    if at is None:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-01-31 or 2026-01-31T12:00:00Z")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Write the sealed audit records to standard output, line by line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=FORMATS, default="jsonl")
        parser.add_argument("--since", type=moment_of, help="Occurred from this time on.")
        parser.add_argument("--until", type=moment_of, help="Occurred before this time.")

    def handle(self, *args: Any, **options: Any) -> None:
        seal_records()
        records = exported_records(since=options["since"], until=options["until"])
        for text in FORMATS[options["format"]](records):
            self.stdout.write(text, ending="")
