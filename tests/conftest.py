"""What every test may need: a user, and API clients that carry a token.

A test that commits (``django_db(transaction=True)``) also asks for ``serialized_rollback=True``:
the rows that migrations made would be missing otherwise.
"""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import User
from accounts.services import create_user


class ApiClient(APIClient):
    """Speaks JSON; an error that the API does not answer is raised in the test."""

    default_format = "json"


ClientOf = Callable[[User], ApiClient]


def pytest_collection_finish() -> None:
    """Spare the collector what is loaded by now: going through it again and again takes minutes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_guards() -> Iterator[None]:
    """Empty the tables after a test that committed, which the database refuses otherwise."""
    flush = connection.ops.sql_flush

    def flush_unguarded(_: Any, *args: Any, **kwargs: Any) -> list[str]:
        return ["SET LOCAL session_replication_role = replica", *flush(*args, **kwargs)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection.ops), "sql_flush", flush_unguarded)
        yield


@pytest.fixture(autouse=True)
def forget_rate_limits() -> None:
    """Let no test inherit the requests that another one counted."""
    cache.delete_pattern("rl:*")


@pytest.fixture(autouse=True)
def stay_off_the_network(settings: Settings) -> None:
    """Simulate prices; a test of a price source names its own."""
    settings.PRICE_SOURCES = ["simulation"]


@pytest.fixture(autouse=True)
def hash_passwords_fast(settings: Settings) -> None:
    """A slow hash protects passwords; a test has none to protect."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user(db: None) -> User:
    """A beginner with an account and the opening balance of the policy."""
    return create_user(username="alice")


@pytest.fixture
def client_of() -> ClientOf:
    """Give a user a key and return a client with a token of it: ``client_of(user).get(…)``."""

    def create(user: User) -> ApiClient:
        api_key, _ = issue_api_key(user=user)
        client = ApiClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {issue_token(api_key)}")
        return client

    return create


@pytest.fixture
def api(user: User, client_of: ClientOf) -> ApiClient:
    """A client with a token of ``user``."""
    return client_of(user)


@pytest.fixture
def anonymous(db: None) -> ApiClient:
    """A client without a token."""
    return ApiClient()
