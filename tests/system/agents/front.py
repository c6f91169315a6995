"""A server in front of the exchange that loses answers or gives its own, as networks do."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Sent on, but no answer comes back.
LOST = 0
#: In seconds, with a 429 of its own.
RETRY_AFTER = "1"
#: What an answer needs to be understood.
KEPT = ("Content-Type", "Retry-After", "Location")


class Front:
    """Listens on ``url`` and hands requests on; ``faults`` are what becomes of the next ones.

    A fault is LOST or the status of an answer that stands for the exchange's.
    """

    def __init__(self, port: int) -> None:
        self.faults: list[int] = []
        self.seen: list[str] = []
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def hand_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                front.seen.append(f"{self.command} {self.path}")
                fault = front.faults.pop(0) if front.faults else None
                if fault:
                    own = b'{"code": "of_the_front", "detail": "No."}'
                    self.say(fault, own, {"Retry-After": RETRY_AFTER} if fault == 429 else {})
                    return
                exchange = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                exchange.request(self.command, self.path, body, dict(self.headers))
                answer = exchange.getresponse()
                said = answer.read()
                exchange.close()
                if fault == LOST:
                    self.close_connection = True
                    return
                self.say(
                    answer.status, said, {k: v for k, v in answer.headers.items() if k in KEPT}
                )

            do_GET = do_POST = hand_on

            def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
