"""HTTP connections whose read timeout covers a whole answer, head and body, however it drips in.

``requests`` counts the time between two bytes, so that a server which sends one now and then would
hold a call for as long as it likes.
"""

import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class TimedReader(io.RawIOBase):
    """Reads from a socket until the socket's timeout, counted from now, is over."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock = raw, sock
        self._timeout = sock.gettimeout()
        self._deadline = time.monotonic() + (self._timeout or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._timeout is None:
            return cast(int | None, self._raw.readinto(buffer))
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The answer was not complete in time.")
        try:
            self._sock.settimeout(left)
            return cast(int | None, self._raw.readinto(buffer))
        finally:
            self._sock.settimeout(self._timeout)

    def close(self) -> None:
        self._raw.close()
        super().close()


class WholeAnswer(http.client.HTTPResponse):
    """An answer that is read through a TimedReader."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(TimedReader(self.fp.detach(), sock))


class PlainConnection(HTTPConnection):
    response_class = WholeAnswer


class TlsConnection(HTTPSConnection):
    response_class = WholeAnswer


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection


POOLS: Final[Mapping[str, type[HTTPConnectionPool]]] = {"http": PlainPool, "https": TlsPool}


class WholeAnswerAdapter(HTTPAdapter):
    """Lets a ``requests`` session use these connections, also by way of a proxy."""

    poolmanager: PoolManager

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = dict(POOLS)

    def proxy_manager_for(self, *args: Any, **options: Any) -> ProxyManager:
        manager = cast(ProxyManager, super().proxy_manager_for(*args, **options))
        manager.pool_classes_by_scheme = dict(POOLS)
        return manager


def whole_answer_session() -> Session:
    """Return a session whose read timeouts cover whole answers."""
    session = Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, WholeAnswerAdapter())
    return session
