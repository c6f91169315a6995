"""Beat: a second one by mistake doubles neither market steps nor close-outs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.faults.breach import breach, closed_out_once
from tests.system.faults.conftest import Population, Trials
from tests.system.faults.stack import SETTINGS, Stack
from tests.system.faults.trial import Trial

WINDOW_SECONDS = 6.0
#: The task leaves out a step that comes sooner than half the interval after the last.
SHORTEST_INTERVAL = float(SETTINGS["TICK_INTERVAL_SECONDS"]) / 2


def test_two_beats_run_at_once(trials: Trials, population: Population) -> None:
    batch = population.batches[0]
    with trials(name="beats", title="two beats at once") as trial:
        alone = step_rate(trial)
        with second_beat(trial.stack):
            together = step_rate(trial)
            with breach(trial.stack, batch.threshold):
                closed_out_once(trial.stack, batch.accounts)
        trial.note(f"steps per second: {alone:.2f} with one beat, {together:.2f} with two")
        assert together <= 1 / SHORTEST_INTERVAL


def step_rate(trial: Trial) -> float:
    """Return how many market steps begin in a second."""
    trial.stepped()
    first, began = trial.stack.steps(), time.monotonic()
    trial.serve_for(WINDOW_SECONDS)
    return (trial.stack.steps() - first) / (time.monotonic() - began)


@contextmanager
def second_beat(stack: Stack) -> Iterator[None]:
    """Run another beat with a schedule of its own."""
    schedule = str(stack.root / "second-schedule")
    command = ("-m", "celery", "--quiet", "-A", "exchange_poc", "beat", "--pidfile", "")
    process = stack.spawn(*command, "--schedule", schedule, log=stack.root / "second-beat.log")
    try:
        yield
        assert process.poll() is None, "the second beat ended"
    finally:
        process.terminate()
        process.wait(30)
