"""One trial: load, a fault, the way back, and what must hold afterwards."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from exchange_poc.launcher.local_dir import PROJECT_ROOT
from tests.system.faults.audit import audit
from tests.system.faults.load import Load
from tests.system.faults.stack import Stack
from tests.waiting import wait_for

#: Orders acknowledged before the fault, and again after the way back.
WARM_UP, COOL_DOWN = 60, 120
STEP_GAPS = """
SELECT coalesce(max(extract(epoch FROM later - earlier)), 0) FROM (
    SELECT created_at AS earlier, lead(created_at) OVER (ORDER BY created_at) AS later
    FROM market_pricetick WHERE created_at >= %s
) AS gaps
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one trial; times in seconds."""

    name: str
    acknowledged: int
    failures: int
    repeated: int
    booked_unseen: int
    outage: float
    silence: float
    step_gap: float
    notes: Sequence[str]
    broken: Sequence[str]


@dataclass
class Trial:
    """What a fault works with."""

    stack: Stack
    load: Load
    name: str
    title: str
    longest_outage: float
    notes: list[str] = field(default_factory=list)

    def answered(self, count: int, *, seconds: float = 60) -> None:
        """Return when ``count`` more orders are acknowledged."""
        target = len(self.load.acknowledged) + count
        wait_for(
            lambda: len(self.load.acknowledged) >= target,
            what=f"{count} more acknowledged orders",
            seconds=seconds,
        )

    def serve_for(self, seconds: float) -> None:
        """Return when the clients have been served for so long, without a pause of 5 seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.answered(10, seconds=5)

    def stepped(self, count: int = 2, *, seconds: float = 120) -> None:
        """Return when ``count`` more market steps have begun: beat, broker and worker work."""
        target = self.stack.steps() + count
        wait_for(lambda: self.stack.steps() >= target, what="market steps", seconds=seconds)

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def run_trial(
    stack: Stack,
    keys: Sequence[str],
    *,
    name: str,
    title: str,
    outcomes: list[Outcome],
    longest_outage: float = 0,
) -> Iterator[Trial]:
    """Have a fault, the body of the block, strike under load; then check what must hold.

    No client may go without an answer for more than ``longest_outage`` seconds; 0 stands for no
    failed request at all.
    """
    trial = Trial(stack, Load(stack.rotation, keys, name), name, title, longest_outage)
    began = stack.value("SELECT clock_timestamp()")
    trial.load.start()
    trial.answered(WARM_UP)
    try:
        yield trial
        wait_for(stack.is_whole, what="the exchange's own recovery", seconds=60)
        trial.stepped()
        trial.answered(COOL_DOWN)
    finally:
        trial.load.finish()
    gap = float(stack.value(STEP_GAPS, [began]))
    outcome = judge(trial, step_gap=gap)
    outcomes.append(outcome)
    assert not outcome.broken, "\n".join(outcome.broken[:20])


def judge(trial: Trial, *, step_gap: float) -> Outcome:
    """Return the trial's figures and the promises that it broke."""
    load = trial.load
    repeated = [sent for sent in load.sent if len(sent.attempts) > 1]
    return Outcome(
        name=trial.title,
        acknowledged=len(load.acknowledged),
        failures=len(load.failures),
        repeated=len(repeated),
        booked_unseen=sum(sent.replayed for sent in repeated),
        outage=load.outage(),
        silence=load.silence(),
        step_gap=step_gap,
        notes=trial.notes,
        broken=[
            *outages(trial),
            *audit(trial.stack, load, trial.name),
            *ledger_differences(trial.stack),
        ],
    )


def outages(trial: Trial) -> Iterator[str]:
    """Say when a client went without an answer for longer than promised."""
    outage = trial.load.outage()
    if outage > trial.longest_outage:
        yield f"a client had no answer for {outage:.2f} s, not {trial.longest_outage:g} at most"


def ledger_differences(stack: Stack) -> list[str]:
    """Return what ``check_ledger`` finds; nothing in clean books."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check_ledger"],
        cwd=PROJECT_ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if done.returncode == 0 else (done.stdout + done.stderr).splitlines()
