"""PostgreSQL: crashed, restarted or stopped, it comes back, and the pools with it."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psutil
import requests

from tests.system.faults.conftest import Trials
from tests.system.faults.stack import Stack
from tests.system.faults.trial import Trial
from tests.waiting import wait_for

RECOVERED_WITHIN = 5.0  # seconds after PostgreSQL accepts connections
GIVEN_UP_WITHIN = 20.0  # seconds for a request while PostgreSQL stands still
ASKERS = 4


def test_the_postmaster_is_killed(trials: Trials) -> None:
    with trials(name="crash", title="kill -9 of PostgreSQL", longest_outage=10) as trial:
        strike(trial, signal.SIGKILL)


def test_postgresql_restarts_under_the_pools(trials: Trials) -> None:
    with trials(name="restart", title="restart of PostgreSQL", longest_outage=10) as trial:
        strike(trial, signal.SIGINT)


def test_postgresql_stands_still(trials: Trials) -> None:
    with trials(name="still", title="SIGSTOP of PostgreSQL", longest_outage=60) as trial:
        with standing_still(trial.stack), ThreadPoolExecutor(ASKERS) as threads:
            answers = list(threads.map(partial(ask, trial), range(ASKERS)))
        trial.note("requests meanwhile: " + ", ".join(f"{s} in {t:.1f} s" for s, t in answers))
        trial.stepped()
        trial.answered(120)
    assert {status for status, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) <= GIVEN_UP_WITHIN


@contextmanager
def standing_still(stack: Stack) -> Iterator[None]:
    """Have all processes of PostgreSQL stopped during the block."""
    postmaster = psutil.Process(stack.server_pid(stack.postgres))
    postmaster.suspend()
    children = postmaster.children(recursive=True)
    for child in children:
        child.suspend()
    try:
        yield
    finally:
        for process in (*children, postmaster):
            process.resume()


def ask(trial: Trial, number: int) -> tuple[int, float]:
    """Ask for an account, or place an order; return how it was answered, and after how long."""
    headers, url = trial.load.clients[number].session.headers, trial.stack.url
    began = time.monotonic()
    if number % 2:
        answer = requests.get(f"{url}/account/me", headers=headers, timeout=120)
    else:
        body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.00000001"}
        answer = requests.post(f"{url}/orders", json=body, headers=headers, timeout=120)
    return answer.status_code, time.monotonic() - began


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
