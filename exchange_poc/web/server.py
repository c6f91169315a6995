"""The web server's processes: started, replaced when one dies, stopped within seconds."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

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
UNSENT: Final = 131_072  # bytes that wait in the kernel to be sent to a client; more waits here
STOP_SECONDS: Final = 10  # for the requests that run when a stop is asked for


class Server(MPServer):
    """Granian on a port that the server holds, and on which each of its processes listens.

    The kernel spreads connections over the processes' sockets (SO_REUSEPORT); of one socket that
    all share, whoever is awake takes all that arrive together. The server's own, bound before it
    may be shared, keeps other servers of the same user out: two would answer in turns.
    """

    def _init_shared_socket(self) -> None:
        holder = socket.socket(family_of(self.bind_addr))
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((self.bind_addr, self.bind_port))
        except OSError as error:
            place = f"{self.bind_addr}:{self.bind_port}"
            raise SystemExit(f"exchange-poc: cannot listen on {place}: {error}") from error
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.set_inheritable(True)
        self._sso, self.place = holder, holder.fileno()
        self._shd = SocketHolder(self.place, False, BACKLOG)  # type: ignore

    def _spawn_worker(  # type: ignore[override]
        self, idx: int, target: Any, callback_loader: Callable[[], Gateway]
    ) -> Any:
        address = (self.bind_addr, self.bind_port)
        loader = partial(load_and_listen, callback_loader, address, self.place)
        return super()._spawn_worker(idx, target, loader)


def load_and_listen(load: Callable[[], Gateway], address: tuple[str, int], place: int) -> Gateway:
    """Return what a process loads; only then it listens, where the server's own socket was."""
    gateway = load()
    listener = socket.create_server(
        address, family=family_of(address[0]), backlog=BACKLOG, reuse_port=True
    )
    if sys.platform == "linux":  # connections inherit it; other systems have none
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_SECONDS * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
    listener.setblocking(False)
    os.dup2(listener.fileno(), place)
    listener.close()
    return gateway


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def serve(
    load: Callable[[], Gateway],
    *,
    prepare: Callable[[], object] = lambda: None,
    host: str,
    port: int,
    processes: int,
) -> None:
    """Serve what each process loads until SIGTERM or SIGINT. Raises SystemExit on a taken port.

    ``prepare`` is what of ``load`` processes may share: where they are forked of this one, it is
    done here, once. It opens no connection and starts no thread.
    """

    def share() -> None:
        prepare()
        if server.interrupt_signal:  # a process that is forked only to end would not hear of it
            raise SystemExit

    server = Server(
        "exchange_poc.web",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
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
    )
    if multiprocessing.get_start_method() == "fork":
        server.on_startup(share)
    server.serve(target_loader=load, wrap_loader=False)
