"""``prune_ticks``: delete old price ticks."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand

from kpi.retention import forget_ticks

LONGEST_DAYS: Final = 36_500


class Command(BaseCommand):
    help = "Delete price ticks older than a number of days; candles stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than-days", type=age, default="30", help="Days to keep (30).")

    def handle(self, *args: Any, **options: Any) -> None:
        deleted = forget_ticks(older_than=options["older_than_days"])
        self.stdout.write(f"Deleted {deleted} tick(s).")


def age(text: str) -> timedelta:
    """Read a number of days, fractions allowed. Raises ArgumentTypeError."""
    days = float(text)
    if not 0 <= days <= LONGEST_DAYS:
        raise ArgumentTypeError(f"must be from 0 to {LONGEST_DAYS}")
    return timedelta(days=days)
