"""``replay``: drive the market through recorded candles."""

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from market.candle_files import files_by_symbol
from market.errors import ReplayError
from market.kernel.errors import ExchangeError
from market.selectors import get_instrument
from market.sources.pace import paced
from market.sources.replay import ReplayStep, check_files, merged_steps
from trading.management.arguments import at_least_one, must_be_finished, positive, seconds
from trading.steps.by_hand import step_at_prices
from trading.steps.readiness import await_agents, ready_roll
from trading.steps.reporting import describe_leaps, describe_liquidation
from trading.steps.step import StepResult

#: Seconds after which a slow replay says how far it is.
PROGRESS_SECONDS: Final = 10


class Agents:
    """The agents that a replay waits for; none where their count is 0."""

    def __init__(self, count: int, patience: float) -> None:
        self.count = count
        self.patience = patience
        self.since: int | None = None

    def await_step(self, step: int) -> None:
        """Wait until they are done with a step, before the first one with the present one.

        Raises AgentsMissing.
        """
        if not self.count:
            return
        if self.since is None:
            self.since = step = ready_roll().step
        await_agents(count=self.count, step=step, since=self.since, patience=self.patience)


class Command(BaseCommand):
    requires_system_checks = ()  # a second of its start, and for the pages of the console
    help = (
        "Run one market step per candle: replay BTCUSDT=btc.csv ETHUSDT=eth.csv. The files have "
        "the columns open_time, open, high, low, close, or are Binance's public ones, zipped or "
        "not, without a header too. All are checked before the first step."
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
        pace = parser.add_mutually_exclusive_group()
        pace.add_argument("--interval", type=seconds, default=0, help="Seconds between steps (0).")
        pace.add_argument(
            "--speed",
            type=positive,
            help="Play on the market's clock, so many times as fast: 60 is a minute a second.",
        )
        parser.add_argument(
            "--wait-for",
            type=at_least_one,
            metavar="N",
            help="Step on when N agents are done with the step before (POST /market/ready), and "
            "end when they are done with the last one.",
        )
        parser.add_argument(
            "--patience",
            type=seconds,
            default=60,
            help="Seconds that agents have for a step before the replay ends with an error (60).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            named = files_by_symbol(options["files"])
            files = {symbol: Path(name) for symbol, name in named.items()}
            symbols = {symbol: get_instrument(symbol=symbol).tick_size for symbol in files}
            check_files(files, tick_sizes=symbols)
            steps = merged_steps(files, path=options["path"])
            speed = options["speed"]
            due = paced(steps, speed=speed) if speed else ((0.0, step) for step in steps)
            self.replay(
                due, options["interval"], Agents(options["wait_for"] or 0, options["patience"])
            )
        except (ReplayError, ExchangeError) as error:
            raise CommandError(str(error)) from error

    def replay(
        self, steps: Iterator[tuple[float, ReplayStep]], interval: float, agents: "Agents"
    ) -> None:
        count = closed = 0
        seen: set[str] = set()
        result = StepResult(refreshed=False)
        started = told = time.monotonic()
        for count, (due, step) in enumerate(steps, start=1):
            agents.await_step(result.step)
            time.sleep(max(started + due - time.monotonic(), 0))
            # The first price of an instrument stands for the person's act.
            result = step_at_prices(
                step.prices, noted=not seen.issuperset(step.prices), market_time=step.time
            )
            seen.update(step.prices)
            closed += len(result.liquidations)
            self.tell(step, result)
            must_be_finished(unmarked=result.unmarked)
            if count % 500 == 0 or time.monotonic() - told > PROGRESS_SECONDS:
                self.stdout.write(f"{count} steps, at {step.time:%Y-%m-%d %H:%M}")
                told = time.monotonic()
            time.sleep(interval)
        if count:
            agents.await_step(result.step)
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
