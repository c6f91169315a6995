"""A relay in front of PostgreSQL that hides its processes, as a pooler such as PgBouncer does."""

import socket
import struct
import threading
from contextlib import suppress

#: What the client is told instead of the process that serves it.
MADE_UP_PID = 2_000_000_000


class Pooler:
    """Listens on ``port`` and passes bytes on, but for the process id at the start."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                threading.Thread(target=relay, args=(client, server), daemon=True).start()
                threading.Thread(target=answer, args=(server, client), daemon=True).start()


def relay(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def answer(server: socket.socket, client: socket.socket) -> None:
    """Pass messages on up to BackendKeyData, whose process id is made up, and then bytes."""
    with suppress(OSError, struct.error), server.makefile("rb", buffering=0) as stream:
        kind = b""
        while kind != b"K":
            kind, size = struct.unpack("!ci", exactly(stream, 5))
            body = exactly(stream, size - 4)
            if kind == b"K":
                body = struct.pack("!i", MADE_UP_PID) + body[4:]
            client.sendall(struct.pack("!ci", kind, size) + body)
        relay(server, client)


def exactly(stream: socket.SocketIO, size: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
