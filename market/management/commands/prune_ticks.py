"""``prune_ticks``: delete old price ticks."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from market.services import prune_ticks


class Command(BaseCommand):
    help = "Delete price ticks older than a number of days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=float, default=30, help="Days to keep (30).")

    def handle(self, *args: Any, **options: Any) -> None:
        deleted = prune_ticks(older_than=timedelta(days=options["older_than_days"]))
        self.stdout.write(f"Deleted {deleted} tick(s).")
