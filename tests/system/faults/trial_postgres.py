"""PostgreSQL: it recovers from a crash and a restart, and the pools with it."""

import signal
import time

import psutil

from tests.system.deployment.processes import wait_for
from tests.system.faults.conftest import Trials
from tests.system.faults.trial import Trial

RECOVERED_WITHIN = 5.0  # seconds after PostgreSQL accepts connections


def test_the_postmaster_is_killed(trials: Trials) -> None:
    with trials(name="crash", title="kill -9 of PostgreSQL", longest_outage=10) as trial:
        strike(trial, signal.SIGKILL)


def test_postgresql_restarts_under_the_pools(trials: Trials) -> None:
    with trials(name="restart", title="restart of PostgreSQL", longest_outage=10) as trial:
        strike(trial, signal.SIGINT)


def strike(trial: Trial, number: signal.Signals) -> None:
    """End PostgreSQL; have it, and then every client, served again."""
    stack = trial.stack
    postmaster = psutil.Process(stack.server_pid(stack.postgres))
    struck = time.monotonic()
    postmaster.send_signal(number)
    wait_for(lambda: not stack.database_answers(), what="the end of PostgreSQL")
    wait_for(stack.database_answers, what="PostgreSQL's return", seconds=60)
    back = time.monotonic()
    trial.note(f"PostgreSQL away for {back - struck:.2f} s")
    trial.stepped()
    trial.answered(120)
    late = max((failure.ended - back for failure in trial.load.failures), default=0.0)
    trial.note(f"last failed request {late:.2f} s after its return")
    assert late <= RECOVERED_WITHIN, f"a request failed {late:.1f} s after PostgreSQL's return"
