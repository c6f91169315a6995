"""Calls of the WSGI application itself, past the test client, which is kinder than a server."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from exchange_poc.wsgi import application


@dataclass(frozen=True)
class Answer:
    """What a server would send."""

    status_code: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


Call = Callable[..., Answer]


@pytest.fixture
def call(db: None) -> Iterator[Call]:
    """Hand a request to the application as a server does: ``call("GET", "/health", **environ)``."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield wsgi_call
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def wsgi_call(method: str, path: str, query: str = "", body: bytes = b"", **environ: Any) -> Answer:
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "wsgi.input": BytesIO(body),
        "REMOTE_ADDR": "127.0.0.1",
        **environ,
    }
    setup_testing_defaults(environ)
    started: list[tuple[str, list[tuple[str, str]]]] = []
    chunks = application(environ, lambda status, headers: started.append((status, headers)))
    content = b"".join(chunks)
    [(status, headers)] = started
    return Answer(int(status[:3]), dict(headers), content)
