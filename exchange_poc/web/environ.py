"""A request as WSGI describes it (PEP 3333)."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from granian.rsgi import Scope

ALWAYS: Final[dict[str, Any]] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
VERSIONS: Final = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}
WITHOUT_PREFIX: Final = {"content-type", "content-length"}


def environ_of(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of a request, but for its body."""
    server, _, port = scope.server.rpartition(":")
    client, _, _ = scope.client.rpartition(":")
    environ = ALWAYS | {
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": native(scope.path),
        "QUERY_STRING": native(scope.query_string),
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": VERSIONS[scope.http_version],
        "REMOTE_ADDR": client.strip("[]"),
        "wsgi.url_scheme": scope.scheme,
    }
    for name, value in scope.headers.items():
        key = variable(name)
        if key in environ:
            value = environ[key] + ("; " if name == "cookie" else ",") + value
        if key:
            environ[key] = value
    return environ


def native(text: str) -> str:
    """Return text as WSGI carries it: bytes in the guise of Latin-1."""
    return text if text.isascii() else text.encode().decode("latin-1")


@lru_cache(maxsize=512)
def variable(header: str) -> str | None:
    """Return a header's name in the environment.

    None for one with an underscore: ``X_Forwarded_For`` would pass there for ``X-Forwarded-For``,
    which a proxy sets and the application may believe.
    """
    if "_" in header:
        return None
    name = header.upper().replace("-", "_")
    return name if header in WITHOUT_PREFIX else f"HTTP_{name}"
