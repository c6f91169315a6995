"""``tick``: run market steps by hand."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.kernel.errors import ExchangeError
from trading.management.arguments import at_least_one, must_be_finished, seconds
from trading.steps.by_hand import seeded_quotes
from trading.steps.patient import run_market_step_when_free
from trading.steps.reporting import describe_step


class Command(BaseCommand):
    help = "Run market steps: prices, fills of reached limit orders, close-outs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=at_least_one, default=1, help="Number of steps (1).")
        parser.add_argument(
            "--interval", type=seconds, default=0, help="Seconds between steps (0)."
        )
        parser.add_argument(
            "--seed", help="Simulate prices from this seed: same seed and start, same prices."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source = seeded_quotes(options["seed"]) if options["seed"] is not None else None
        for number in range(options["count"]):
            if number:
                time.sleep(options["interval"])
            try:
                result = run_market_step_when_free(quote_source=source)
            except ExchangeError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(describe_step(result))
            must_be_finished(unmarked=result.unmarked)
        must_be_finished(result.unfinished)
