"""What dies is missed by nobody for long: the other tier, the other node and the pools go on."""

import signal
import time

import psutil
import pytest

from tests.system.faults.breach import Obstacle, breach, close_outs, closed_out_once, obstacle
from tests.system.faults.conftest import Population, Trials
from tests.system.scale.tiers import Machine, ScaledStack
from tests.waiting import wait_for

ALONE_SECONDS = 5.0


def test_a_web_tier_is_killed(trials: Trials, stack: ScaledStack) -> None:
    with trials(name="tier", title="kill -9 of a web tier", longest_outage=5) as trial:
        stack.tiers[1].kill()
        trial.serve_for(ALONE_SECONDS)
        stack.bring_back(stack.tiers[1])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "restart"])
def test_pgbouncer_restarts(trials: Trials, stack: ScaledStack, number: signal.Signals) -> None:
    title = f"{number.name} to PgBouncer"
    with trials(name=f"bouncer{number}", title=title, longest_outage=10) as trial:
        began = time.monotonic()
        process = psutil.Process(stack.server_pid(stack.bouncer))
        process.send_signal(number)
        wait_for(lambda: stack.bouncer.pid is None, what="the end of PgBouncer")
        stack.bouncer.ensure(keep_port=True)
        back = time.monotonic()
        trial.note(f"PgBouncer away for {back - began:.2f} s")
        trial.answered(120)
        late = max((failure.ended - back for failure in trial.load.failures), default=0.0)
        trial.note(f"last failed request {late:.2f} s after its return")
        assert late <= 5, f"a request failed {late:.1f} s after PgBouncer's return"


def test_a_celery_node_is_killed_in_a_sweep(
    trials: Trials, population: Population, stack: ScaledStack
) -> None:
    batch = population.batches[1]
    with trials(name="node", title="kill -9 of a Celery node in a sweep") as trial:
        middle = batch.accounts[len(batch.accounts) // 2]
        with obstacle(stack, middle) as held, breach(stack, batch.threshold):
            node = wait_for(lambda: sweeping_node(stack, held), what="a sweep", seconds=60)
            node.kill()
            trial.note(f"closed out before the kill: {len(close_outs(stack, batch.accounts))}")
            held.release()
            killed = time.monotonic()
            closed_out_once(stack, batch.accounts, seconds=120)
            trial.note(f"the other node had closed all out {time.monotonic() - killed:.2f} s later")
        node.start()


def sweeping_node(stack: ScaledStack, held: Obstacle) -> Machine | None:
    """Return the node that a sweep at the obstacle belongs to, which PgBouncer tells."""
    clients = stack.bouncer.client_ports()
    ports = {clients[port] for port in held.waiting() if port in clients}
    nodes = (node for node in stack.nodes for port in ports if node.has_port(port))
    return next(nodes, None)
