"""One exchange for all trials, its traders, and the table of figures at the end."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pytest

from tests.system.binance_standin.server import BinanceStandin
from tests.system.faults.stack import Stack
from tests.system.faults.trial import Outcome, Trial, run_trial

CLIENTS, VICTIMS = 6, 30
#: Margin ratios of the victims, one batch each, in the order in which trials close them out.
RATIOS = (Decimal("1.5"), Decimal(3), Decimal(6), Decimal(12))

Trials = Callable[..., AbstractContextManager[Trial]]
OUTCOMES = pytest.StashKey[list[Outcome]]()
HEADINGS = ("acknowledged", "failed", "repeated", "unseen", "outage", "silence", "step gap")


@dataclass(frozen=True, slots=True)
class Batch:
    """Accounts that a liquidation threshold of ``threshold`` puts in breach, all at once."""

    accounts: Sequence[int]
    threshold: Decimal


@dataclass(frozen=True, slots=True)
class Population:
    """The clients' API keys and the batches of victims."""

    keys: Sequence[str]
    batches: Sequence[Batch]


@pytest.fixture(autouse=True)
def forget_rate_limits() -> None:
    """Stand in for the fixture of the same name: no trial uses this process's cache."""


@pytest.fixture(scope="session")
def standin() -> Iterator[BinanceStandin]:
    """The venue that the exchange's reconciliation asks."""
    standin = BinanceStandin()
    standin.start()
    yield standin
    standin.stop()


@pytest.fixture(scope="session")
def stack(standin: BinanceStandin) -> Iterator[Stack]:
    """The exchange that all trials share; it must end well, too."""
    stack = Stack(BINANCE_BASE_URL=standin.url)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def population(stack: Stack) -> Population:
    """Everybody who takes part."""
    numbers = map(str, (CLIENTS, VICTIMS, *RATIOS))
    said = json.loads(stack.run("-m", "tests.system.faults.population", *numbers).splitlines()[-1])
    batches = [Batch(a, r * Decimal("1.4")) for a, r in zip(said["victims"], RATIOS, strict=True)]
    return Population(said["keys"], batches)


@pytest.fixture
def trials(stack: Stack, population: Population, pytestconfig: pytest.Config) -> Trials:
    """Run one trial: ``with trials(name=…, title=…) as trial: …``."""
    return partial(
        run_trial, stack, population.keys, outcomes=pytestconfig.stash.setdefault(OUTCOMES, [])
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the figures of all trials."""
    outcomes = config.stash.get(OUTCOMES, [])
    if not outcomes:
        return
    width = max(len(outcome.name) for outcome in outcomes)
    terminalreporter.section("trials (times in seconds)")
    terminalreporter.line(" " * width + "".join(f"{heading:>13}" for heading in HEADINGS))
    for outcome in outcomes:
        terminalreporter.line(f"{outcome.name:{width}}" + figures(outcome))
        for note in outcome.notes:
            terminalreporter.line(f"  {note}")
        for line in outcome.broken[:5]:
            terminalreporter.line(f"  BROKEN: {line}")


def figures(outcome: Outcome) -> str:
    """Return a trial's figures in their columns."""
    counts = (outcome.acknowledged, outcome.failures, outcome.repeated, outcome.booked_unseen)
    times = (outcome.outage, outcome.silence, outcome.step_gap)
    return "".join([*(f"{n:13}" for n in counts), *(f"{t:13.2f}" for t in times)])
