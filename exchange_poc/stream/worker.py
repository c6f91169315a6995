"""What the stream server's process loads when it starts."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from exchange_poc.web.gateway import Gateway
from exchange_poc.web.worker import end_with_server, forget_the_dead, spare_the_collector

if TYPE_CHECKING:
    from exchange_poc.stream.door import Door


def prepare() -> Door:
    """Load the application, and the console, whose addresses the dashboard's figures name."""
    gc.disable()
    from exchange_poc.wsgi import application

    # isort: split
    # They know models, which the application has loaded; the first request would wait for its URLs.
    import exchange_poc.urls  # noqa: F401
    from exchange_poc.stream.door import Door

    spare_the_collector()
    return Door(application)


def load() -> Gateway:
    """Return the door with what is a process's own."""
    end_with_server()
    forget_the_dead()
    return prepare()
