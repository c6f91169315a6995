"""``verify_audit``: verify the audit trail, or bundles of days; exit 1 on a difference."""

from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kpi.audit.verification import verify_audit
from kpi.bundles.verification import verify_bundles
from kpi.management.bundle_arguments import tell
from market.kernel.errors import ExchangeError


class Command(BaseCommand):
    requires_system_checks = ()  # a second of its start, and for the pages of the console
    help = (
        "Verify every record of the audit trail, its head, and that no fact lacks a record; or "
        "with --bundle what export_day wrote, wherever that is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bundle",
            type=Path,
            nargs="+",
            metavar="FILE",
            help="Check files of export_day instead; needs no database and no server.",
        )

    def handle(self, *args: Any, bundle: list[Path] | None, **options: Any) -> None:
        if bundle is None:
            self.verify_trail()
        else:
            self.verify_bundles(bundle)

    def verify_trail(self) -> None:
        report = verify_audit(progress=lambda done: self.stderr.write(f"{done:,} records"))
        for difference in report.differences:
            self.stderr.write(str(difference))
        if report.count:
            raise CommandError(f"The audit trail has {report.count} difference(s).")
        end = f"{report.records:,} records, the last has the hash {report.last_hash}."
        self.stdout.write(self.style.SUCCESS(f"The audit trail is sound: {end}"))

    def verify_bundles(self, paths: list[Path]) -> None:
        try:
            count = verify_bundles(paths, done=partial(tell, self))
        except ExchangeError as error:
            raise CommandError(error.detail) from error
        if count:
            raise CommandError(f"{count} difference(s) in {len(paths)} bundle(s).")
