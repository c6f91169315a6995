"""``replay``: drive the market through recorded candles."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.candle_files import files_by_symbol
from market.errors import ReplayError
from market.kernel.errors import ExchangeError
from market.selectors import get_instrument
from market.sources.replay import ReplayStep, check_files, merged_steps
from trading.management.arguments import must_be_finished, seconds
from trading.steps.by_hand import step_at_prices
from trading.steps.reporting import describe_leaps, describe_liquidation
from trading.steps.step import StepResult


class Command(BaseCommand):
    help = (
        "Run one market step per candle: replay BTCUSDT=btc.csv ETHUSDT=eth.csv. The files have "
        "the columns open_time, open, high, low, close, or are Binance's public ones, without a "
        "header. All are checked before the first step."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="SYMBOL=FILE")
        parser.add_argument(
            "--path",
            choices=["close", "ohlc"],
            default="close",
            help="Prices of a candle: its close, or four steps, by direction: open, low, high, "
            "close of a rising candle, open, high, low, close of a falling one.",
        )
        parser.add_argument(
            "--interval", type=seconds, default=0, help="Seconds between steps (0)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            named = files_by_symbol(options["files"])
            files = {symbol: Path(name) for symbol, name in named.items()}
            symbols = {symbol: get_instrument(symbol=symbol).tick_size for symbol in files}
            check_files(files, tick_sizes=symbols)
            self.replay(merged_steps(files, path=options["path"]), options["interval"])
        except (ReplayError, ExchangeError) as error:
            raise CommandError(str(error)) from error

    def replay(self, steps: Iterator[ReplayStep], interval: float) -> None:
        count = closed = 0
        seen: set[str] = set()
        result = StepResult(refreshed=False)
        for count, step in enumerate(steps, start=1):
            # The first price of an instrument stands for the person's act.
            result = step_at_prices(step.prices, noted=not seen.issuperset(step.prices))
            seen.update(step.prices)
            closed += len(result.liquidations)
            self.tell(step, result)
            must_be_finished(unmarked=result.unmarked)
            if count % 500 == 0:
                self.stdout.write(f"{count} steps, at {step.time:%Y-%m-%d %H:%M}")
            time.sleep(interval)
        self.stdout.write(f"Replayed {count} steps; {closed} account(s) liquidated.")
        must_be_finished(result.unfinished)

    def tell(self, step: ReplayStep, result: StepResult) -> None:
        """Write when and at which marks something happened that is worth a line, and what."""
        lines = [*describe_leaps(result), *map(describe_liquidation, result.liquidations)]
        if lines or result.unmarked:
            marks = ", ".join(f"{symbol} {price}" for symbol, price in step.prices.items())
            self.stdout.write(f"{step.time:%Y-%m-%d %H:%M} {marks}")
        for line in lines:
            self.stdout.write(f"  {line}")
