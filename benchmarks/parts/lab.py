"""What a cell of the policy lab costs, and how that grows with accounts, bars and policies."""

import tempfile
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import Figure, at_most
from benchmarks.stage import Stage

TITLE = "Policy lab: cells with impact and reactions, in processor time"

ACCOUNTS: Final = 100_000
BARS: Final = 3_744
#: The shortest crash that there is.
FEWEST_BARS: Final = 100
STEPS_A_BAR: Final = 4
POLICIES: Final = 4
TURNS: Final = 3

STUDY: Final = """
name = "bench"
seeds = [1]

[fund]
opening = 1000000

[tape]
kind = "crash"
path = "ohlc"

[tape.crash]
bars = {bars}

[population]
accounts = {accounts}

[impact]
mode = "absolute"
"""
POLICY: Final = """
[[policy]]
name = "{name}"
max_leverage = {leverage}
"""


def measure(stage: Stage) -> list[Figure]:
    """Return seconds a cell at full size, and ratios to a quarter of accounts, bars, policies."""
    accounts, bars = stage.scaled(ACCOUNTS), max(stage.scaled(BARS), 4 * FEWEST_BARS)
    whole, fewer, shorter = [], [], []
    for _ in range(TURNS):
        whole.append(seconds(accounts, bars, policies=1))
        fewer.append(seconds(accounts // 4, bars, policies=1))
        shorter.append(seconds(accounts, bars // 4, policies=1))
    several = seconds(accounts, bars, policies=POLICIES)
    cell = median(whole)
    return [
        Figure("a cell, its tape and population made", cell, "s"),
        Figure("a cell of several that share them", several / POLICIES, "s", at_most(1.5)),
        Figure("an account-step", cell / (accounts * bars * STEPS_A_BAR) * 1e9, "ns"),
        Figure("4 times the accounts", cell / median(fewer), "", at_most(4.4)),
        Figure("4 times the bars", cell / median(shorter), "", at_most(4.4)),
        Figure("4 times the policies", several / cell, "", at_most(4.4)),
    ]


def seconds(accounts: int, bars: int, *, policies: int) -> float:
    """Return the processor seconds of all cells of a study with so many policies."""
    # numpy is in the lab's lock, and only this part needs it.
    from kpi.lab.cells.computing import Computer
    from kpi.lab.inputs.canonical import cells
    from kpi.lab.inputs.config import read_study

    text = STUDY.format(bars=bars, accounts=accounts)
    text += "".join(POLICY.format(name=f"p{n}", leverage=5 * (n + 1)) for n in range(policies))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "study.toml")
        path.write_text(text)
        study = read_study(path)
        computer = Computer(study)
        return sum(computer.result(plan).cpu_seconds for plan in cells(study))
