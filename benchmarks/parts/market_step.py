"""Market steps over 1,000,000 open positions of 100,000 accounts in 50 instruments.

Durations are held against the plain aggregate over the same rows: what finding accounts in breach
costs when nothing is known beforehand. The same with a tenth of the data shows how they grow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Final

from django.utils import timezone

from benchmarks import population
from benchmarks.figures import Figure, at_least, at_most
from benchmarks.stage import Stage
from benchmarks.timing import exponent, median_of, seconds_of

TITLE = "Market steps over 1,000,000 positions"

ACCOUNTS: Final = 100_000
PER_ACCOUNT: Final = 10
INSTRUMENTS: Final = 50
QUIET: Final = (Decimal("1.001"), Decimal(1)) * 5
CRASH: Final = Decimal("0.95")
BREACH: Final = Decimal("0.98")


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds of each measurement, and how many positions the breaching step closed."""

    load: float
    aggregate: float
    marks: float
    quiet: float
    crash: float
    breach: float
    closed: int

    @property
    def closing_rate(self) -> float:
        """Positions closed per second of what the breaching step took beyond a quiet one."""
        return self.closed / max(self.breach - self.quiet, 1e-9)


def measure(stage: Stage) -> list[Figure]:
    """Return the steps' ratios to the aggregate, the closing rate and the growth."""
    accounts = stage.scaled(ACCOUNTS)
    small = measure_size(stage, accounts // 10)
    large = measure_size(stage, accounts)
    return [
        Figure("positions", accounts * PER_ACCOUNT, "rows"),
        Figure("load", large.load, "s"),
        Figure("plain aggregate", large.aggregate * 1000, "ms"),
        Figure("new marks alone, 50 instruments", large.marks * 1000, "ms"),
        *ratios("quiet step, ±0.1 %", large.quiet, large.aggregate, 0.2),
        *ratios("market-wide step, −5 %", large.crash, large.aggregate, 1.3),
        Figure("step with 0.1 % of accounts in breach", large.breach * 1000, "ms"),
        Figure("positions closed in it", large.closed, "rows"),
        Figure("closing rate", large.closing_rate, "positions/s", at_least(2000)),
        Figure("growth of the aggregate, exponent", exponent(small.aggregate, large.aggregate)),
        Figure("growth of a quiet step, exponent", exponent(small.quiet, large.quiet)),
        Figure("growth of the −5 % step, exponent", exponent(small.crash, large.crash)),
    ]


def ratios(name: str, seconds: float, aggregate: float, bound: float) -> list[Figure]:
    return [
        Figure(name, seconds * 1000, "ms"),
        Figure(f"{name} ÷ aggregate", seconds / aggregate, "", at_most(bound)),
    ]


def measure_size(stage: Stage, accounts: int) -> Durations:
    """Load ``accounts`` accounts and run every kind of step over them."""
    with stage.database("market"):
        stage.say(f"loading {accounts * PER_ACCOUNT:,} positions of {accounts:,} accounts")
        listed = population.list_instruments(
            [(f"SYM{number:02}USDT", Decimal(10 * number + 10)) for number in range(INSTRUMENTS)]
        )
        load = seconds_of(partial(load_portfolios, accounts, listed))
        stage.say("market steps")
        step = partial(step_to, listed)
        step(Decimal(1))
        aggregate = median_of([run_aggregate] * 5)
        quiet = median_of([partial(step, factor) for factor in QUIET])
        marks = median_of([partial(set_marks, listed, factor) for factor in QUIET])
        before = count_positions()
        breach = seconds_of(partial(step, BREACH))
        closed = before - count_positions()
        crash = median(crash_from_start(step) for _ in range(3))
    expected = -(-accounts // 1000) * PER_ACCOUNT
    if closed != expected:
        raise AssertionError(f"{closed} positions were closed instead of {expected}")
    return Durations(load, aggregate, marks, quiet, crash, breach, closed)


def load_portfolios(accounts: int, listed: Sequence[population.Listed]) -> None:
    population.lift_limits()
    population.add_portfolios(accounts=accounts, per_account=PER_ACCOUNT, instruments=listed)
    population.settle()


def step_to(listed: Sequence[population.Listed], factor: Decimal) -> None:
    """Run a market step that sets every mark to ``factor`` times its first price."""
    from trading.steps.by_hand import step_at_prices

    step_at_prices(prices_at(listed, factor))


def set_marks(listed: Sequence[population.Listed], factor: Decimal) -> None:
    """Do the part of a step that sets marks and revalues exposure."""
    from market.models import Instrument
    from trading.steps.by_hand import fixed_quotes
    from trading.steps.step import apply_marks

    quotes = fixed_quotes(prices_at(listed, factor))(list(Instrument.objects.all()), 0)
    apply_marks(quotes=quotes, now=timezone.now())


def prices_at(listed: Sequence[population.Listed], factor: Decimal) -> dict[str, Decimal]:
    return {instrument.symbol: instrument.price * factor for instrument in listed}


def crash_from_start(step: Callable[[Decimal], None]) -> float:
    """Go back to the first prices, let all of them fall and return how long the fall took."""
    step(Decimal(1))
    return seconds_of(partial(step, CRASH))


def run_aggregate() -> None:
    from risk.bounds import all_users_in_breach

    all_users_in_breach()


def count_positions() -> int:
    from risk.selectors import open_positions

    return open_positions().count()
