"""The Celery worker: killed in a sweep, and tasks that are delivered again while they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.system.faults.breach import breach, close_outs, closed_out_once, obstacle
from tests.system.faults.conftest import Population, Trials
from tests.system.faults.stack import Stack
from tests.waiting import wait_for

SWEEP = "trading.tasks.sweep_liquidations"
#: A queue that the impatient worker alone takes tasks from. Of a shared one the exchange's own
#: worker may get each delivery, and what it runs nobody names.
QUEUE = "redelivered"
CALL_SWEEP = ("-m", "celery", "-A", "exchange_poc", "call", SWEEP)


@pytest.mark.parametrize("whole", [False, True], ids=["child", "main"])
def test_the_worker_is_killed_in_a_sweep(
    trials: Trials, population: Population, whole: bool
) -> None:
    batch = population.batches[1 + int(whole)]
    victim = "worker" if whole else "worker's child"
    name, title = f"sweep{int(whole)}", f"kill -9 of the {victim} in a sweep"
    with trials(name=name, title=title) as trial:
        stack = trial.stack
        worker = stack.worker()
        middle = batch.accounts[len(batch.accounts) // 2]
        with obstacle(stack, middle) as held, breach(stack, batch.threshold):
            held.wait_for_sweeps(1)
            dead = worker if whole else process_of(worker, held.waiting()[0])
            trial.note(f"closed out before the kill: {len(close_outs(stack, batch.accounts))}")
            dead.kill()
            wait_for(lambda: not dead.is_running(), what="the death of the process")
            held.release()
            closed_out_once(stack, batch.accounts)


def process_of(worker: psutil.Process, port: int) -> psutil.Process:
    """Return the worker's child that has a connection from this local port."""
    for child in worker.children():
        if any(c.laddr.port == port for c in child.net_connections("tcp")):
            return child
    raise LookupError(f"no child of the worker has port {port}")


def test_a_task_is_delivered_again_while_it_runs(trials: Trials, population: Population) -> None:
    batch = population.batches[3]
    with trials(name="redelivery", title="redelivery of a running sweep") as trial:
        stack = trial.stack
        with (
            impatient_worker(stack) as log,
            # Its sweeps would stand at the obstacle, too, and be taken for redelivered ones.
            stack.suspended(stack.service("celery", "beat").pid),
            obstacle(stack, *batch.accounts) as held,
            breach(stack, batch.threshold),
        ):
            task = stack.run(*CALL_SWEEP, "--queue", QUEUE).strip()
            wait_for(lambda: f"redelivered {task}" in log.read_text(), what="a redelivery")
            trial.note(f"sweeps at once: {held.wait_for_sweeps(2)}")
            held.release()
            # What they waited for too long is left to the next one.
            stack.run(*CALL_SWEEP)
            closed_out_once(stack, batch.accounts)


@contextmanager
def impatient_worker(stack: Stack) -> Iterator[Path]:
    """Run a worker that gives out again what any worker has had for half a second.

    Yields its log.
    """
    log = stack.root / "impatient.log"
    command = ("-m", "celery", "-A", "tests.system.faults.impatient", "worker", "--without-mingle")
    process = stack.spawn(*command, "--concurrency", "4", "--queues", QUEUE, log=log)
    try:
        wait_for(lambda: "ready." in log.read_text(), what="the second worker")
        yield log
    finally:
        process.terminate()
        process.wait(30)
