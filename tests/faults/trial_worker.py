"""The Celery worker: killed in a sweep, and tasks that are delivered again while they run."""

import psutil
import pytest

from tests.deployment.processes import wait_for
from tests.faults.breach import breach, close_outs, closed_out_once, obstacle
from tests.faults.conftest import Population, Trials


@pytest.mark.parametrize("whole", [False, True], ids=["child", "main"])
def test_the_worker_is_killed_in_a_sweep(
    trials: Trials, population: Population, whole: bool
) -> None:
    batch = population.batches[int(whole)]
    title = f"kill -9 of the worker{'' if whole else chr(39) + 's child'} in a sweep"
    with trials(name=f"sweep{int(whole)}", title=title) as trial:
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
