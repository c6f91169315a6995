"""Shows at the end of a run in one process what the machine reached."""

import pytest

from tests.system.model.tally import TALLY, lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tally, where the machine has run."""
    if TALLY:
        terminalreporter.section("Reference model", sep="-")
        for line in lines():
            terminalreporter.line(line)
