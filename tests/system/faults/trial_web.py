"""The web tier: a killed process is replaced, and half-sent requests hold nobody up."""

import time

from tests.system.faults.conftest import Trials
from tests.system.faults.stack import Stack
from tests.system.web.client import ask, opened, until_closed
from tests.waiting import wait_for

HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-"
BODY = b"POST /auth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{"


def test_a_web_process_is_killed(trials: Trials) -> None:
    title = "kill -9 of a web process"
    with trials(name="web", title=title, longest_outage=5) as trial:
        kill_web_process(trial.stack)


def kill_web_process(stack: Stack) -> None:
    """Kill a process of the web server, and return when another has taken its place."""
    dead = stack.web_worker()
    dead.kill()
    wait_for(
        lambda: (
            dead.pid not in {w.pid for w in stack.service("exchange_poc.web").children()}
            and len(stack.service("exchange_poc.web").children()) == 2
        ),
        what="a new web process",
    )


def test_half_sent_requests_hold_nobody_up(trials: Trials) -> None:
    title = "40 half-sent heads, 40 half-sent bodies"
    with trials(name="halves", title=title) as trial:
        address = ("127.0.0.1", trial.stack.port)
        halves = [opened(address, sent) for sent in (HEAD, BODY) for _ in range(40)]
        asked = time.monotonic()
        assert ask(address, "GET /health HTTP/1.1").status == 200
        trial.note(f"/health answered after {1000 * (time.monotonic() - asked):.0f} ms")
        for half in halves:
            until_closed(half)
        trial.note(f"all of them closed after {time.monotonic() - asked:.1f} s")
