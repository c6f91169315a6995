"""Connections that give up a server which stands still, as no timeout of its own can.

Where nothing comes, a statement may take long, wait for a lock, or never be answered, because the
server was stopped or its machine is gone. So after some silence the server is asked whether it
would encrypt, over a socket of its own: any that lives says yes or no at once, before it knows who
asks, and notes nothing. One that does not is given up, and the connection with it. What was sent
may yet be done, as where a connection is lost in any other way.
"""

import socket
import struct
import time
from collections.abc import Generator
from typing import Any, Final, TypeVar

from psycopg import Connection, OperationalError
from psycopg.errors import _WaitTimeout

T = TypeVar("T")
Waiting = Generator[Any, Any, T]

#: After which the server is asked, and in which it answers.
SILENCE_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 3.0
#: PostgreSQL's SSLRequest: its length and its number.
SSL_REQUEST: Final = struct.pack("!ii", 8, 80_877_103)
#: What psycopg's generators are told where nothing has come.
NOTHING: Final = 0


class StandsStill(OperationalError):
    """The server answers nobody."""


class WatchedConnection(Connection[Any]):
    """psycopg's, but for how long it waits."""

    def wait(self, gen: Waiting[T], *args: Any, **kwargs: Any) -> T:
        """Return what a generator comes to. Raises StandsStill, with the connection closed.

        Hardly any statement takes long enough to be looked after, which costs the others time.
        """
        if args or kwargs:  # of whoever waits no longer than they want to
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(gen, timeout=SILENCE_SECONDS)
        except _WaitTimeout:
            return self.wait_on(gen)

    def wait_on(self, gen: Waiting[T]) -> T:
        """Return what a generator comes to that waits already. Raises StandsStill likewise."""
        try:
            return super().wait(watched(gen, self))
        except StandsStill:
            self.pgconn.finish()
            raise


def watched(waiting: Waiting[T], connection: Connection[Any]) -> Waiting[T]:
    """Go on with a generator of psycopg's, which waits; look after the server in each long silence.

    psycopg says every tenth of a second that nothing has come.
    """
    came, ask_at = NOTHING, time.monotonic()
    try:
        while True:
            came = yield waiting.send(came)
            if came:
                ask_at = 0.0
            elif not ask_at:
                ask_at = time.monotonic() + SILENCE_SECONDS
            elif time.monotonic() > ask_at:
                if not answers(connection):
                    raise StandsStill("The server stands still: it answers nobody.")
                ask_at = time.monotonic() + SILENCE_SECONDS
    except StopIteration as end:
        result: T = end.value
        return result


def answers(connection: Connection[Any]) -> bool:
    """Tell whether the server of a connection answers somebody new."""
    try:
        with reached(connection) as asked:
            asked.sendall(SSL_REQUEST)
            asked.recv(1)  # or the end of the connection, where the server takes no more of them
            return True
    except OSError:
        return False


def reached(connection: Connection[Any]) -> socket.socket:
    """Return a socket of its own to the server of a connection. Raises OSError."""
    host, port = connection.info.hostaddr or connection.info.host, connection.info.port
    if not host.startswith("/"):
        return socket.create_connection((host, port), timeout=ANSWER_SECONDS)
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(ANSWER_SECONDS)
    found.connect(f"{host}/.s.PGSQL.{port}")
    return found
