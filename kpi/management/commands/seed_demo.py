"""``seed_demo``: demo users, keys, instruments and history, for a machine of one's own."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from tqdm import tqdm

from kpi.history.snapshots import take_snapshot
from market.kernel.errors import ExchangeError
from trading.demo import data
from trading.demo.history import seed_history


def positive(text: str) -> int:
    """Return a whole number from 1 to 1000."""
    if not text.isdecimal() or not 0 < int(text) <= 1000:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to 1000")
    return int(text)


class Command(BaseCommand):
    help = (
        "Create the demo users, their well-known API keys, a staff user and two instruments; "
        "with --traders also a history of trading with a crash, at simulated past times."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--migrate", action="store_true", help="Create or update the schema first."
        )
        parser.add_argument(
            "--if-empty", action="store_true", help="Do nothing where any user exists."
        )
        parser.add_argument(
            "--traders", type=positive, help="Let so many agents trade; needs an empty exchange."
        )
        parser.add_argument(
            "--days", type=positive, default=7, help="Days of that history, up to now (7)."
        )
        parser.add_argument("--seed", default="1", help="Same seed, same prices and orders (1).")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
            self.check(tags=[Tags.database], databases=[DEFAULT_DB_ALIAS])
        if options["if_empty"] and not data.is_empty():
            self.stdout.write("Users exist: no demo data added.")
            return
        try:
            done = self.seed(**options)
        except ExchangeError as error:
            raise CommandError(str(error)) from error
        for line in done:
            self.stdout.write(f"Created {line}.")
        if not done:
            self.stdout.write("The demo data is complete.")

    def seed(
        self, *, traders: int | None, days: int, seed: str, verbosity: int, **_: Any
    ) -> list[str]:
        """Seed with a history where traders are asked for, and return what was created."""
        if traders is None:
            return data.seed_demo()

        def bar(times: Sequence[datetime]) -> Iterable[datetime]:
            return tqdm(times, desc="Market steps", unit="step", disable=verbosity == 0)

        return seed_history(
            traders=traders, days=days, seed=seed, progress=bar, after_step=take_snapshot
        )
