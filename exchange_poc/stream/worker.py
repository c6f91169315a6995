"""What the stream server's process loads when it starts."""

from exchange_poc.web.gateway import Gateway
from exchange_poc.web.worker import end_with_server, forget_the_dead, spare_the_collector


def load() -> Gateway:
    """Return the door, with an application of its own, as a connection pool needs it."""
    end_with_server()
    forget_the_dead()
    from exchange_poc.wsgi import application

    # isort: split
    # They know models, which the application has loaded; the first request would wait for its URLs.
    import exchange_poc.urls  # noqa: F401
    from exchange_poc.stream.door import Door

    spare_the_collector()
    return Door(application)
