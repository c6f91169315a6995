"""A stream server as ``make run`` starts it, on the test's own database."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import ApiKey, User
from tests.system.deployment.processes import free_port
from tests.system.stream.client import Reader
from tests.system.trials.conftest import environment, environment_of_processes
from tests.system.web.conftest import Run, Server, accepts, lasting_programs, metrics, run
from tests.trading.conftest import clerk, market, marks, trader
from tests.waiting import wait_for

__all__ = ["clerk", "environment", "market", "marks", "metrics", "run", "trader"]

Listen = Callable[..., Reader]
Start = Callable[[], Server]


@pytest.fixture
def stream_server(environment: dict[str, str], run: Run) -> Start:
    """Start a stream server of its own: ``stream_server()``."""
    return lambda: of_stream(run, **environment)


@pytest.fixture(scope="module")
def lasting(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One stream server for all tests of a file that leave it running."""
    with lasting_programs(tmp_path_factory) as run:
        yield of_stream(run, **environment_of_processes())


def of_stream(run: Run, **environment: str) -> Server:
    port = free_port()
    # What signs tokens here was made with this key, if a test before this one issued any.
    own = {"DJANGO_SECRET_KEY": settings.SECRET_KEY, "STREAM_PORT": str(port)}
    process = run("-m", "exchange_poc.stream", **environment | own)
    address = ("127.0.0.1", port)
    wait_for(lambda: accepts(address), what="the stream server", seconds=60)
    return process, address


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
