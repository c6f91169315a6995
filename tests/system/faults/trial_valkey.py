"""Valkey: orders go on without it, and worker and beat resume when it is back."""

import signal
import time

import psutil
import redis

from tests.system.faults.conftest import Trials
from tests.system.faults.stack import Stack
from tests.waiting import wait_for

AWAY_SECONDS = 20.0


def test_valkey_is_stopped(trials: Trials) -> None:
    with trials(name="valkey", title="SIGTERM to Valkey") as trial:
        end_valkey(trial.stack, signal.SIGTERM)
        began = time.monotonic()
        wait_for(lambda: answers(trial.stack), what="Valkey's return", seconds=30)
        trial.note(f"Valkey away for {time.monotonic() - began:.2f} s")


def test_the_broker_is_gone_for_long(trials: Trials) -> None:
    with trials(name="broker", title=f"no Valkey for {AWAY_SECONDS:g} s") as trial:
        stack = trial.stack
        with stack.suspended(stack.launcher.pid):
            end_valkey(stack, signal.SIGKILL)
            trial.serve_for(AWAY_SECONDS)
        wait_for(lambda: answers(stack), what="Valkey's return", seconds=30)
        back = time.monotonic()
        # Celery tries again after 2, 4, 6 … seconds, 30 at most.
        trial.stepped(seconds=45)
        trial.note(f"steps again {time.monotonic() - back:.2f} s after Valkey's return")


def end_valkey(stack: Stack, number: signal.Signals) -> None:
    """End Valkey and return when it has gone."""
    psutil.Process(stack.server_pid(stack.valkey)).send_signal(number)
    wait_for(lambda: not answers(stack), what="the end of Valkey")


def answers(stack: Stack) -> bool:
    """Tell whether Valkey answers on the port that the exchange knows."""
    try:
        return stack.valkey.accepts()
    except redis.RedisError:
        return False
