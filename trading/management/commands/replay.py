"""``replay``: drive the market through recorded candles."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.errors import ExchangeError
from market.sources.replay import ReplayError, merged_steps
from trading.manual_prices import step_at_prices
from trading.reporting import describe_liquidation


class Command(BaseCommand):
    help = (
        "Run one market step per candle: replay BTCUSDT=btc.csv ETHUSDT=eth.csv. The files have "
        "the columns open_time, open, high, low, close."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="SYMBOL=FILE")
        parser.add_argument(
            "--path",
            choices=["close", "ohlc"],
            default="close",
            help="Prices of a candle: its close, or four steps through open, low, high and close.",
        )
        parser.add_argument("--interval", type=float, default=0, help="Seconds between steps (0).")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            files = dict(parse_file(argument) for argument in options["files"])
            steps = merged_steps(files, path=options["path"])
            self.replay(steps, options["interval"])
        except (ReplayError, ExchangeError) as error:
            raise CommandError(str(error)) from error

    def replay(self, steps: Any, interval: float) -> None:
        count = closed = 0
        for count, step in enumerate(steps, start=1):
            result = step_at_prices(step.prices)
            for liquidation in result.liquidations:
                closed += 1
                marks = ", ".join(f"{symbol} {price}" for symbol, price in step.prices.items())
                self.stdout.write(f"{step.time:%Y-%m-%d %H:%M} {marks}")
                self.stdout.write(f"  {describe_liquidation(liquidation)}")
            if count % 500 == 0:
                self.stdout.write(f"{count} steps, at {step.time:%Y-%m-%d %H:%M}")
            time.sleep(interval)
        self.stdout.write(f"Replayed {count} steps; {closed} account(s) liquidated.")


def parse_file(argument: str) -> tuple[str, Path]:
    """Read SYMBOL=FILE."""
    symbol, _, name = argument.partition("=")
    if not symbol or not name:
        raise CommandError(f"{argument!r} is not of the form SYMBOL=FILE.")
    return symbol.upper(), Path(name)
