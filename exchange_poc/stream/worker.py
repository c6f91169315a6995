"""What the stream server's process loads when it starts."""

from exchange_poc.web.gateway import Gateway
from exchange_poc.web.worker import begin


def load() -> Gateway:
    """Return the door to the application, console and all: figures name its pages."""
    application = begin()
    from exchange_poc.stream.door import Door

    return Door(application)
