"""A relay in front of the real Redis that can hang, as a stopped or overloaded server does."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class RedisRelay:
    """Listens on ``url`` and passes bytes on, but for the time between hang() and resume()."""

    def __init__(self, target_url: str) -> None:
        target = urlsplit(target_url)
        self.target = (target.hostname or "127.0.0.1", target.port or 6379)
        self.listener = socket.create_server(("127.0.0.1", 0))
        credentials = target.netloc.rpartition("@")[0]
        own = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.url = target._replace(netloc=f"{credentials}@{own}" if credentials else own).geturl()
        self.flowing = threading.Event()
        self.flowing.set()
        self.connections = 0
        self.questions = 0
        self.sockets: list[socket.socket] = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def hang(self) -> None:
        self.flowing.clear()

    def resume(self) -> None:
        self.flowing.set()

    def close(self) -> None:
        self.resume()
        for sock in self.sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                server = socket.create_connection(self.target)
                self.sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    ways = (source, sink, source is client)
                    threading.Thread(target=self.relay, args=ways, daemon=True).start()

    def relay(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.questions += asks
                self.flowing.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
