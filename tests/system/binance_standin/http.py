"""The HTTP side: reads requests, lets faults happen, writes answers."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.system.binance_standin.errors import ApiError
from tests.system.binance_standin.faults import DRIP_SECONDS, Answer, AnyFault, Fault, Lie

if TYPE_CHECKING:
    from tests.system.binance_standin.server import BinanceStandin

UNAVAILABLE = Answer(503, "Service Unavailable")


class Dropped(Exception):
    """The connection is to be cut without an answer."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    # Head and body in one segment: two would wait for each other's acknowledgement.
    wbufsize = -1
    server: "HttpServer"

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self.respond()

    do_POST = do_DELETE = do_GET

    def respond(self) -> None:
        standin = self.server.standin
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        standin.see(self.command, address.path, address.query, body)
        fault = standin.faults.take(self.command, address.path)
        try:
            with standin.busy():
                answer = self.answer(fault, address.path, address.query, body)
        except Dropped:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if fault in (Fault.DRIP_HEAD, Fault.DRIP_BODY):
            self.drip(answer, whole=fault is Fault.DRIP_HEAD)
        else:
            self.write(answer)

    def answer(self, fault: AnyFault | None, path: str, query: str, body: str) -> Answer:
        standin = self.server.standin
        if isinstance(fault, Answer):
            return fault
        if fault is Fault.DROP_BEFORE:
            raise Dropped
        if fault is Fault.UNAVAILABLE_BEFORE:
            return UNAVAILABLE
        if fault is Fault.HOLD_BEFORE:
            standin.faults.released.wait()
        answer = self.process(path, query, body)
        if fault is Fault.HOLD_AFTER:
            standin.faults.released.wait()
        if fault is Fault.DROP_AFTER:
            raise Dropped
        if isinstance(fault, Lie):
            return replace(answer, status=fault.status, body=fault.tell(answer.body))
        return UNAVAILABLE if fault is Fault.UNAVAILABLE_AFTER else answer

    def process(self, path: str, query: str, body: str) -> Answer:
        standin = self.server.standin
        try:
            return standin.process(self.command, path, query, body, dict(self.headers.items()))
        except ApiError as error:
            content = {"code": error.code, "msg": error.msg}
            return Answer(error.status, content, tuple(error.headers.items()))
        except Exception as error:
            # The fixture tells of it at the end of the test.
            standin.failures.append(error)
            return Answer(500, {"code": -1000, "msg": "The stand-in failed."})

    def write(self, answer: Answer) -> None:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = "text/html" if isinstance(answer.body, str) else "application/json;charset=UTF-8"
        content = text.encode()
        self.send_response(answer.status)
        self.send_fields({"Content-Type": kind, "Content-Length": str(len(content))})
        self.send_fields(dict(answer.headers))
        self.end_headers()
        self.wfile.write(content)

    def drip(self, answer: Answer, *, whole: bool) -> None:
        """Write an answer, or only its body, so slowly that it seems to go on for ever."""
        connection, self.wfile = self.wfile, BytesIO()
        self.write(answer)
        written, self.wfile = self.wfile.getvalue(), connection
        head = 0 if whole else written.index(b"\r\n\r\n") + 4
        self.wfile.write(written[:head])
        for byte in written[head:]:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.standin.faults.released.wait(DRIP_SECONDS):
                break
        self.close_connection = True

    def send_fields(self, fields: Mapping[str, str]) -> None:
        for name, value in fields.items():
            self.send_header(name, value)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


class HttpServer(ThreadingHTTPServer):
    """Listens on a free port of the loopback address and can cut every connection."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, standin: "BinanceStandin", port: int = 0) -> None:
        self.standin = standin
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def cut_connections(self) -> None:
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
