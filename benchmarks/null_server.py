"""Answers every HTTP request with the same 200 at once: what the load generator itself can do.

Run as a program it prints its port and serves until it is killed.
"""

import selectors
import socket
from typing import Final

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def serve() -> None:
    """Answer each arrival of bytes on any connection; the requests are small and come whole."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    selector.register(connection, selectors.EVENT_READ, connection)
                elif key.data.recv(65_536):
                    key.data.sendall(ANSWER)
                else:
                    selector.unregister(key.data)
                    key.data.close()


if __name__ == "__main__":
    serve()
