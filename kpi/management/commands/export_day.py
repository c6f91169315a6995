"""``export_day``: write everything of one day into one file, to be checked anywhere."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kpi.bundles.day import Day
from kpi.bundles.export import Bundle
from kpi.bundles.files import FORMATS
from kpi.bundles.writing import file_name, write_day
from kpi.management.bundle_arguments import day_of
from market.kernel.errors import ExchangeError


class Command(BaseCommand):
    help = "Write the facts, figures, policy and audit records of a day (UTC) into one zip file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("day", type=day_of, help="Such as 2026-01-31.")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument("--out", type=Path, default=Path(), help="A file or a directory (.).")
        parser.add_argument("--force", action="store_true", help="Replace a file that is there.")

    def handle(self, *args: Any, day: Day, out: Path, **options: Any) -> None:
        path = out / file_name(day) if out.is_dir() else out
        try:
            bundle = write_day(
                day=day,
                path=path,
                form=options["format"],
                replace=options["force"],
                progress=lambda name, rows: self.stderr.write(f"{name}: {rows:,} rows"),
            )
        except (ExchangeError, OSError) as error:
            raise CommandError(getattr(error, "detail", str(error))) from error
        self.stdout.write(self.style.SUCCESS(told(path, bundle)))


def told(path: Path, bundle: Bundle) -> str:
    """Return the lines that tell what was written."""
    rows = sum(one.get("rows", 0) for one in bundle.manifest["files"])
    unfinished = "" if bundle.manifest["finished"] else " The day is not over: export it again."
    return (
        f"{path}: {len(bundle.manifest['files'])} files with {rows:,} rows.{unfinished}\n"
        f"seal {bundle.seal}"
    )
