"""``check_ledger``: recompute the books from history; exit 1 on a difference."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading.history.ledger_check import ledger_differences


class Command(BaseCommand):
    help = "Recompute balances, positions, reservations and exposure from history."

    def handle(self, *args: Any, **options: Any) -> None:
        differences = ledger_differences()
        for difference in differences:
            self.stderr.write(
                f"{difference.what}: stored {difference.stored}, recomputed {difference.recomputed}"
            )
        if differences:
            raise CommandError(f"The ledger has {len(differences)} difference(s).")
        self.stdout.write(self.style.SUCCESS("The ledger is clean."))
