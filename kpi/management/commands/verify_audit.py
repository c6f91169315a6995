"""``verify_audit``: verify the audit trail from its first record; exit 1 on a difference."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kpi.audit.verification import verify_audit


class Command(BaseCommand):
    help = "Verify every record of the audit trail, its head, and that no fact lacks a record."

    def handle(self, *args: Any, **options: Any) -> None:
        report = verify_audit(progress=lambda done: self.stderr.write(f"{done:,} records"))
        for difference in report.differences:
            self.stderr.write(str(difference))
        if report.count:
            raise CommandError(f"The audit trail has {report.count} difference(s).")
        end = f"{report.records:,} records, the last has the hash {report.last_hash}."
        self.stdout.write(self.style.SUCCESS(f"The audit trail is sound: {end}"))
