"""A client that says what a well-behaved one would not."""

import socket
from contextlib import suppress
from typing import NamedTuple

Address = tuple[str, int]
PATIENCE = 60.0  # seconds; far beyond every deadline of the server


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def opened(address: Address, sent: bytes = b"") -> socket.socket:
    """Return a connection on which ``sent`` has been sent."""
    connection = socket.create_connection(address, timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def until_closed(connection: socket.socket) -> bytes:
    """Return all that arrives before the server closes the connection, or resets it."""
    parts = []
    with connection, suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def ask(address: Address, *lines: str, body: bytes = b"") -> Answer:
    """Send a request line with headers as they are and return what comes until the end."""
    head = "\r\n".join((lines[0], "Host: 127.0.0.1", "Connection: close", *lines[1:], "", ""))
    head, _, content = until_closed(opened(address, head.encode() + body)).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    return Answer(int(first.split()[1]), headers, content)
