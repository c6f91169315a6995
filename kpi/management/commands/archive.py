"""``archive``: keep a closed period as bundles, one a day; exit 1 where one is not sound."""

from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kpi.bundles.files import FORMATS
from kpi.bundles.period import archive_period
from kpi.management.bundle_arguments import day_of, tell
from market.kernel.errors import ExchangeError


class Command(BaseCommand):
    help = (
        "Write a bundle of each day before a date that is not there yet, and verify all of them, "
        "one after the other. No row is removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--until", type=day_of, required=True, help="The first day left out.")
        parser.add_argument("--out", type=Path, required=True, help="A directory.")
        parser.add_argument("--format", choices=FORMATS, default="csv")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            differences = archive_period(
                until=options["until"],
                directory=options["out"],
                form=options["format"],
                wrote=lambda path: self.stderr.write(f"wrote {path}"),
                checked=partial(tell, self),
            )
        except (ExchangeError, OSError) as error:
            raise CommandError(getattr(error, "detail", str(error))) from error
        if differences:
            raise CommandError(f"The archive has {differences} difference(s).")
