"""An HTTP client that costs little: raw sockets in one thread, requests built beforehand.

It shares the machine with the server it measures, so every microsecond here is one that the server
lacks. Each connection sends its next request as soon as the answer to the last has arrived.
"""

import http.client
import json
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

HEADER_END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


class WrongAnswer(Exception):
    """A request of the load was not answered as it must be."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load did: answers per second and sorted latencies in seconds."""

    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the latency in milliseconds that ``share`` of the answers stayed within."""
        index = min(int(share * len(self.latencies)), len(self.latencies) - 1)
        return self.latencies[index] * 1000


@dataclass(slots=True)
class Client:
    """One keep-alive connection and what has arrived on it of the present answer."""

    connection: socket.socket
    requests: Iterator[bytes]
    sent_at: float = 0.0
    arrived: bytes = b""
    latencies: list[float] = field(default_factory=list)

    def send(self) -> None:
        self.arrived = b""
        self.sent_at = time.perf_counter()
        self.connection.sendall(next(self.requests))

    def receive(self) -> bytes | None:
        """Return the answer once all of it is here. Raises WrongAnswer on a closed connection."""
        part = self.connection.recv(262_144)
        if not part:
            raise WrongAnswer("the server closed a connection")
        self.arrived += part
        if not is_complete(self.arrived):
            return None
        self.latencies.append(time.perf_counter() - self.sent_at)
        return self.arrived


def is_complete(answer: bytes) -> bool:
    """Tell whether an answer with a Content-Length has arrived whole."""
    end = answer.find(HEADER_END)
    if end < 0:
        return False
    head = answer[:end].lower()
    start = head.index(LENGTH) + len(LENGTH)
    stop = head.find(b"\r", start)
    length = int(head[start : stop if stop >= 0 else end])
    return len(answer) >= end + len(HEADER_END) + length


def http_request(
    method: str, path: str, *, token: str | None = None, body: Mapping[str, Any] | None = None
) -> bytes:
    """Return a request as it goes over the wire."""
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if payload:
        lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
    return "\r\n".join(lines).encode() + HEADER_END + payload


def drive(
    port: int,
    requests: Sequence[bytes | Iterator[bytes]],
    *,
    seconds: float,
    check: Callable[[bytes], bool],
    warm_up: float = 1.0,
) -> Load:
    """Send each of ``requests`` over and over, or what it gives next, on a connection of its own.

    What the first ``warm_up`` seconds brought is left out. Raises WrongAnswer for an answer that
    does not begin with 200 or that ``check`` refuses.
    """
    clients = [Client(connect(port), in_turn(one)) for one in requests]
    try:
        run(clients, warm_up, check)
        for client in clients:
            client.latencies.clear()
        took = run(clients, seconds, check)
    finally:
        for client in clients:
            client.connection.close()
    return Load(took, sorted(latency for client in clients for latency in client.latencies))


def in_turn(requests: bytes | Iterator[bytes]) -> Iterator[bytes]:
    return repeat(requests) if isinstance(requests, bytes) else requests


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def run(clients: Sequence[Client], seconds: float, check: Callable[[bytes], bool]) -> float:
    """Keep every client busy for ``seconds``, wait for the last answers, return the time taken."""
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        started = time.perf_counter()
        deadline, busy = started + seconds, len(clients)
        for client in clients:
            client.send()
        while busy:
            for key, _ in selector.select(timeout=30):
                answer = key.data.receive()
                if answer is None:
                    continue
                if not (answer.startswith(b"HTTP/1.1 200") and check(answer)):
                    raise WrongAnswer(answer.decode(errors="replace"))
                if time.perf_counter() < deadline:
                    key.data.send()
                else:
                    busy -= 1
        return time.perf_counter() - started


def fetch_token(port: int, api_key: str) -> str:
    """Exchange an API key for an access token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/auth/token", json.dumps({"api_key": api_key}), headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise WrongAnswer(body.decode(errors="replace"))
    return str(json.loads(body)["access_token"])
