"""``seed_demo``: demo users, keys and instruments. For a machine that nobody else can reach."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from trading import demo


class Command(BaseCommand):
    help = "Create the demo users, their well-known API keys, a staff user and two instruments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-empty", action="store_true", help="Do nothing where any user exists."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_empty"] and not demo.is_empty():
            self.stdout.write("Users exist: no demo data added.")
            return
        done = demo.seed_demo()
        for line in done:
            self.stdout.write(f"Created {line}.")
        if not done:
            self.stdout.write("The demo data is complete.")
