"""A comparison with another revision: ratios round by round, and clear words where it cannot be."""

import subprocess
import sys

from benchmarks.against import compare
from benchmarks.against.cases import Case, order
from benchmarks.figures import at_least
from exchange_poc.launcher.local_dir import PROJECT_ROOT


def test_a_ratio_compares_the_two_halves_of_one_round() -> None:
    slow_machine, quick_machine = (10.0, 20.0), (100.0, 100.0)
    rounds = [slow_machine, quick_machine, (90.0, 100.0)]
    case = Case("orders, 8 clients", 8, 8, order, bool, at_least(0.95))
    figures = {figure.name: figure for figure in compare(case, rounds, "abc")}
    assert figures["orders, 8 clients: here"].value == 90
    assert figures["orders, 8 clients: abc"].value == 100
    ratio = figures["orders, 8 clients: here ÷ abc"]
    assert (ratio.value, ratio.met) == (0.9, False)
    assert figures["orders, 8 clients: lowest ratio of a round"].value == 0.5
    assert figures["orders, 8 clients: highest ratio of a round"].value == 1


def test_an_unknown_revision_is_named() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--against", "no-such-thing"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "exchange-poc: git knows no commit 'no-such-thing': name one that `git log` shows."
    )
