"""A server that stands still is given up; one that takes long is waited for."""

from collections.abc import Iterator
from typing import LiteralString

import pytest
from django.db import OperationalError, connection

from exchange_poc.postgresql import watched
from exchange_poc.postgresql.base import is_alive
from exchange_poc.postgresql.watched import StandsStill, WatchedConnection
from market.kernel.api.database_errors import is_lost
from tests.accounts.redis_relay import RedisRelay as Relay

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay() -> Iterator[Relay]:
    at = connection.settings_dict
    relay = Relay(f"postgresql://{at['HOST']}:{at['PORT']}")
    yield relay
    relay.close()


@pytest.fixture
def through(relay: Relay) -> Iterator[WatchedConnection]:
    at = connection.settings_dict
    port = relay.listener.getsockname()[1]
    login = {"user": at["USER"], "password": at["PASSWORD"], "dbname": at["NAME"]}
    with WatchedConnection.connect(host="127.0.0.1", port=port, **login) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "SILENCE_SECONDS", 0.1)


def in_a_pipeline(through: WatchedConnection, *statements: LiteralString) -> None:
    with through.pipeline():
        for statement in statements:
            through.execute(statement)


def test_a_statement_that_takes_long_is_waited_for(through: WatchedConnection) -> None:
    assert through.execute("SELECT 1 FROM pg_sleep(0.8)").fetchone() == (1,)
    with through.pipeline():
        asked = [through.execute("SELECT %s FROM pg_sleep(0.3)", (n,)) for n in (1, 2)]
    assert [cursor.fetchone() for cursor in asked] == [(1,), (2,)]


def test_a_server_that_answers_nobody_is_given_up(
    through: WatchedConnection, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "ANSWER_SECONDS", 0.2)
    relay.hang()
    with pytest.raises(StandsStill, match="stands still"):
        in_a_pipeline(through, "SELECT 1", "SELECT 2")
    assert through.closed


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_rested_connection_to_it_is_not_taken_for_a_dead_one(
    through: WatchedConnection, relay: Relay, monkeypatch: pytest.MonkeyPatch, autocommit: bool
) -> None:
    """Else each of the pool would be asked, one after the other."""
    monkeypatch.setattr(watched, "ANSWER_SECONDS", 0.2)
    through.autocommit = autocommit
    relay.hang()
    with pytest.raises(StandsStill):
        is_alive(through)


def test_it_is_answered_as_a_database_that_is_away() -> None:
    with pytest.raises(OperationalError) as error, connection.wrap_database_errors:
        raise StandsStill("The server stands still: it answers nobody.")
    assert is_lost(error.value)
