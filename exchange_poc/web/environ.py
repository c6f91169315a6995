"""A request as WSGI describes it (PEP 3333)."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, Final

ALWAYS: Final[dict[str, Any]] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
VERSIONS: Final = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}
WITHOUT_PREFIX: Final = {b"content-type", b"content-length"}


def environ_of(scope: dict[str, Any]) -> dict[str, Any]:
    """Return the WSGI environment of a request that ASGI describes, but for its body."""
    host, port = scope["server"]
    environ = ALWAYS | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": native(scope["path"]),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": f"[{host}]" if ":" in host else host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": VERSIONS[scope["http_version"]],
        "REMOTE_ADDR": scope["client"][0],
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, content in scope["headers"]:
        key, value = variable(name), content.decode("latin-1")
        if key in environ:
            value = environ[key] + ("; " if name == b"cookie" else ",") + value
        if key and (value or name != b"host"):  # which granian adds where there is none
            environ[key] = value
    return environ


def native(text: str) -> str:
    """Return text as WSGI carries it: bytes in the guise of Latin-1."""
    return text if text.isascii() else text.encode().decode("latin-1")


@lru_cache(maxsize=512)
def variable(header: bytes) -> str | None:
    """Return a header's name in the environment.

    None for one with an underscore: ``X_Forwarded_For`` would pass there for ``X-Forwarded-For``,
    which a proxy sets and the application may believe.
    """
    if b"_" in header:
        return None
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if header in WITHOUT_PREFIX else f"HTTP_{name}"
