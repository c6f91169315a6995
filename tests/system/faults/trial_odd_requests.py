"""Whatever is sent, the exchange answers it, never with a 5xx, and goes on."""

import socket
import time
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pytest
import requests

from tests.system.faults.odd import odd_requests, operations
from tests.system.faults.stack import Stack

REQUESTS: Final = 4500
SEED: Final = 20
LONGEST_ANSWER: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request: its status, 0 for none at all, and the seconds it took."""

    request: str
    status: int
    seconds: float


def ask(port: int, head: str, request: bytes) -> Answer:
    """Send bytes on a connection of their own and read the answer to its end."""
    began, received = time.monotonic(), b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(request)
            while (part := connection.recv(65536)) and len(received) < LONGEST_ANSWER:
                received += part
    except ConnectionError:
        pass  # refused while it was still being sent: what had arrived counts
    words = received.split(b" ", 2)
    status = int(words[1]) if received.startswith(b"HTTP/1.") and words[1].isdigit() else 0
    return Answer(head, status, time.monotonic() - began)


def token_of(stack: Stack, api_key: str) -> str:
    answer = requests.post(f"{stack.url}/auth/token", json={"api_key": api_key}, timeout=20)
    return str(answer.json()["access_token"])


def test_no_odd_request_is_answered_with_a_5xx(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = requests.get(f"{stack.url}/schema?format=json", timeout=20)
    calls = operations(schema.json())
    assert len(calls) > 25
    tokens = [token_of(stack, f"{name}-key") for name in ("beginner", "advanced")]
    answers = [
        ask(stack.port, head, request)
        for head, request in islice(odd_requests(calls, tokens, seed=SEED), REQUESTS)
    ]
    failed = [answer for answer in answers if answer.status >= 500]
    slowest = sorted(answers, key=lambda answer: -answer.seconds)[:3]
    unanswered = [answer for answer in answers if not answer.status]
    with capsys.disabled():
        print(f"\n{len(answers)} odd requests of {len(calls)} calls: {len(failed)} × 5xx,")
        print(f"by status {dict(sorted(Counter(a.status for a in answers).items()))}; slowest:")
        for slow in slowest:
            print(f"  {slow.seconds:.2f} s  {slow.status}  {slow.request[:100]!r}")
    # What no web server can read is answered by closing the connection; most can be read.
    assert len(unanswered) < len(answers) / 10
    assert not failed, "\n\n".join(answer.request[:400] for answer in failed[:10])
    assert stack.is_whole()
