"""The trials' exchange; traders, checks and the table of figures are those of ``make faults``."""

from collections.abc import Iterator

import pytest

from tests.system.faults.conftest import (
    forget_rate_limits,
    population,
    pytest_terminal_summary,
    trials,
)
from tests.system.scale.bouncer import PROGRAM
from tests.system.scale.tiers import ScaledStack

__all__ = ["forget_rate_limits", "population", "pytest_terminal_summary", "trials"]


@pytest.fixture(scope="session")
def stack() -> Iterator[ScaledStack]:
    """The exchange that all trials share; it must end well, too."""
    if PROGRAM is None:
        pytest.exit("pgbouncer is not installed; on Debian: apt-get install pgbouncer", 1)
    stack = ScaledStack()
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
