"""The web server's processes: started, replaced when one dies, stopped within seconds."""

import socket
import sys
from collections.abc import Callable
from typing import Final

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from exchange_poc.logs import logging_config
from exchange_poc.web.gateway import REQUEST_SECONDS, Gateway

BACKLOG: Final = 1024
CONNECTIONS: Final = 4096  # of one process; more wait to be accepted
UNTAKEN_SECONDS: Final = 20  # in which a client takes none of its answer and is left
STOP_SECONDS: Final = 10  # for the requests that run when a stop is asked for


class Server(MPServer):
    """Granian on one listening socket that its processes share.

    By itself each of them opens its own on the same port (SO_REUSEPORT), and so could another
    server of the same user: two exchanges would answer in turns at one address.
    """

    def _init_shared_socket(self) -> None:
        family = socket.AF_INET6 if ":" in self.bind_addr else socket.AF_INET
        address = (self.bind_addr, self.bind_port)
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
        if sys.platform == "linux":  # connections inherit it; other systems have none
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_SECONDS * 1000)
        listener.setblocking(False)
        listener.set_inheritable(True)
        self._sso = listener
        self._shd = SocketHolder(listener.fileno(), False, BACKLOG)  # type: ignore


def serve(load: Callable[[], Gateway], *, host: str, port: int, processes: int) -> None:
    """Serve what each process loads until SIGTERM or SIGINT. Raises OSError on a taken port."""
    Server(
        "exchange_poc.web",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=processes,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        # An idle connection is closed after the same time.
        http1_settings=HTTP1Settings(header_read_timeout=REQUEST_SECONDS * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        # The application logs each request itself.
        log_level=LogLevels.warning,
        log_dictconfig=logging_config(),
    ).serve(target_loader=load, wrap_loader=False)  # type: ignore[arg-type]
