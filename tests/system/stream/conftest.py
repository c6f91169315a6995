"""A stream server as ``make run`` starts it, on the test's own database."""

from collections.abc import Callable, Iterator

import pytest

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import ApiKey, User
from tests.system.deployment.processes import free_port
from tests.system.stream.client import Reader
from tests.system.trials.conftest import environment
from tests.system.web.conftest import Run, Server, accepts, metrics, run
from tests.trading.conftest import clerk, market, marks, trader
from tests.waiting import wait_for

__all__ = ["clerk", "environment", "market", "marks", "metrics", "run", "trader"]

Listen = Callable[..., Reader]
Start = Callable[..., Server]


@pytest.fixture
def stream_server(environment: dict[str, str], run: Run, settings) -> Start:  # type: ignore[no-untyped-def]
    """Start a stream server: ``stream_server(API_RATE_LIMIT="5/m")``."""
    # What signs tokens here was made with this key, if a test before this one issued any.
    own_key = {"DJANGO_SECRET_KEY": settings.SECRET_KEY}

    def start(**own: str) -> Server:
        port = free_port()
        process = run(
            "-m", "exchange_poc.stream", **environment | own_key | {"STREAM_PORT": str(port)} | own
        )
        address = ("127.0.0.1", port)
        wait_for(lambda: accepts(address), what="the stream server", seconds=60)
        return process, address

    return start


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Open streams that the test closes: ``listen(address, token, channels="marks")``."""
    opened: list[Reader] = []

    def connect(*args: object, **query: str) -> Reader:
        opened.append(Reader(*args, **query))  # type: ignore[arg-type]
        return opened[-1]

    yield connect
    for reader in opened:
        reader.close()


def key_of(user: User) -> tuple[ApiKey, str]:
    """Return a key of a user and a token of it."""
    api_key, _ = issue_api_key(reason="A test", user=user)
    return api_key, issue_token(api_key)
