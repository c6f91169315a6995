"""Clients that place orders without pause and repeat each until it is answered.

An order is acknowledged when it gets an answer that speaks of it: 200, or 400 with the code of a
failed check. No answer, or a 5xx, leaves its fate open, and the same body is sent again.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

REPLAYED = "Idempotent-Replayed"
TIMEOUT_SECONDS = 5.0
PAUSE_SECONDS = 0.05  # between the attempts of one order
RATE_PAUSE = 0.01  # between the orders of one client, so that the machine has time for the faults


@dataclass(slots=True)
class Attempt:
    """One request, in seconds of the monotonic clock; ``error`` is empty when it was answered."""

    began: float
    ended: float
    error: str = ""


@dataclass(slots=True)
class Sent:
    """An order as asked for, its attempts, and its answer once it has one."""

    body: Mapping[str, Any]
    attempts: list[Attempt] = field(default_factory=list)
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    replayed: bool = False

    @property
    def client_order_id(self) -> str:
        return str(self.body["client_order_id"])

    @property
    def acknowledged(self) -> bool:
        return self.status != 0


class Client:
    """One trader, who sends each request to the next of ``urls``, also an order once again."""

    def __init__(self, urls: Iterator[str], key: str, name: str) -> None:
        self.urls, self.name = urls, name
        self.session = requests.Session()
        self.session.trust_env = False
        address = f"{next(self.urls)}/auth/token"
        token = self.session.post(address, json={"api_key": key}, timeout=10).json()
        self.session.headers["Authorization"] = f"Bearer {token['access_token']}"
        self.sent: list[Sent] = []

    def work(self, stop: threading.Event) -> None:
        """Place one order after the other until ``stop``; the last one, too, is answered."""
        for body in self.bodies():
            if stop.is_set():
                return
            self.place(body)
            time.sleep(RATE_PAUSE)

    def bodies(self) -> Iterator[dict[str, Any]]:
        """Yield orders that fill at once, rest far from the market, or are refused."""
        for number in itertools.count():
            body: dict[str, Any] = {
                "client_order_id": f"{self.name}-{number}",
                "symbol": "BTCUSDT" if number % 4 < 2 else "ETHUSDT",
                "side": "buy" if number % 2 else "sell",
                "size": "0.01",
                "leverage": 5,
            }
            if number % 10 == 5:
                body |= {"type": "limit", "side": "buy", "price": "1000.00"}
            elif number % 10 == 8:
                body |= {"size": "0.00000001"}
            yield body

    def place(self, body: Mapping[str, Any]) -> Sent:
        """Send an order until it is answered."""
        sent = Sent(body)
        self.sent.append(sent)
        while not sent.acknowledged:
            self.attempt(sent)
            if not sent.acknowledged:
                time.sleep(PAUSE_SECONDS)
        return sent

    def attempt(self, sent: Sent) -> None:
        attempt = Attempt(time.monotonic(), 0)
        sent.attempts.append(attempt)
        try:
            response = self.post(sent.body)
        except requests.RequestException as error:
            attempt.error = type(error).__name__
        else:
            if response.status_code in {200, 400}:
                sent.status, sent.answer = response.status_code, response.json()
                sent.replayed = response.headers.get(REPLAYED) == "true"
            else:
                attempt.error = str(response.status_code)
        attempt.ended = time.monotonic()

    def post(self, body: Mapping[str, Any]) -> requests.Response:
        address = f"{next(self.urls)}/orders"
        return self.session.post(address, json=body, timeout=TIMEOUT_SECONDS)


class Load:
    """All clients at work, from start() to finish()."""

    def __init__(self, urls: Callable[[], Iterator[str]], keys: Sequence[str], name: str) -> None:
        self.clients = [Client(urls(), key, f"{name}-{n}") for n, key in enumerate(keys)]
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=client.work, args=(self.stop,), daemon=True)
            for client in self.clients
        ]

    def start(self) -> None:
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()

    def finish(self, *, seconds: float = 60) -> None:
        """Let every client get the answer it waits for, and stop them."""
        self.stop.set()
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self.threads), "an order is never answered"
        self.ended = time.monotonic()

    @property
    def sent(self) -> list[Sent]:
        return [sent for client in self.clients for sent in list(client.sent)]

    @property
    def acknowledged(self) -> list[Sent]:
        return [sent for sent in self.sent if sent.acknowledged]

    @property
    def failures(self) -> list[Attempt]:
        """Every attempt that got no answer, by the time it ended."""
        attempts = (attempt for sent in self.sent for attempt in sent.attempts)
        return sorted((a for a in attempts if a.error and a.ended), key=lambda a: a.ended)

    def outage(self) -> float:
        """Return the longest time, in seconds, from a client's first failure to its next answer.

        It counts from the beginning of the attempt that failed.
        """
        return max(
            (s.attempts[-1].ended - s.attempts[0].began for s in self.sent if len(s.attempts) > 1),
            default=0.0,
        )

    def silence(self) -> float:
        """Return the longest time, in seconds, in which no client at all got an answer."""
        ends = sorted(s.attempts[-1].ended for s in self.acknowledged)
        return max((b - a for a, b in itertools.pairwise([self.began, *ends])), default=0.0)
