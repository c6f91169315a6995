"""A failed statement is answered for what it is, and the log has its cause."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import Account, User
from market.kernel.api.database_errors import refusal_of
from tests.conftest import ApiClient
from tests.each import each
from trading.orders import group
from trading.orders.group import Patience

committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """Another session of the test database; what it changes is undone."""
    named = connection.settings_dict
    with psycopg.connect(
        dbname=named["NAME"],
        user=named["USER"],
        password=named["PASSWORD"],
        host=named["HOST"],
        port=named["PORT"],
    ) as session:
        yield session
        session.rollback()


@pytest.fixture(autouse=True)
def fresh_connection() -> Iterator[None]:
    """No test hands its session's settings, or what is left of a session, to another."""
    yield
    connection.close()
    connection.close_pool()


@committed
@pytest.mark.parametrize(
    ("patience", "statement_timeout", "code", "cause"),
    [
        (0.1, "0", "database_busy", "LockNotAvailable"),
        (10, "100ms", "database_timeout", "QueryCanceled"),
    ],
)
def test_a_wait_that_is_given_up_is_no_outage(
    api: ApiClient,
    user: User,
    other: psycopg.Connection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
    statement_timeout: str,
    code: str,
    cause: str,
) -> None:
    monkeypatch.setattr(group, "PATIENT", Patience(accounts=patience, others=patience))
    key = Account.objects.get(user=user).pk
    other.execute("SELECT 1 FROM accounts_account WHERE id = %s FOR UPDATE", [key])
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = '{statement_timeout}'")
    order = {"symbol": "BTCUSDT", "side": "buy", "size": "1"}
    answer = api.post("/orders", order)
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert int(answer["Retry-After"]) >= 1
    assert f"'cause': '{cause}'" in caplog.text


@committed
def test_a_lost_connection_is_an_outage(
    api: ApiClient, other: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [own] = cursor.fetchone()
    other.execute("SELECT pg_terminate_backend(%s, 60000)", [own])
    answer = api.get("/orders")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "database_failed" in caplog.text


@committed
def test_the_console_says_the_same(
    client: Client, other: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    client.raise_request_exception = False
    other.execute("LOCK TABLE risk_riskpolicy IN ACCESS EXCLUSIVE MODE")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    answer = client.get("/admin/risk/riskpolicy/1/change/")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")
    assert "'cause': 'LockNotAvailable'" in caplog.text


@each(
    ("cause", "code"),
    [
        (psycopg.OperationalError("connection refused"), "database_unavailable"),
        (psycopg.errors.AdminShutdown(), "database_unavailable"),
        (psycopg.errors.TooManyConnections(), "database_unavailable"),
        (psycopg.errors.ConnectionFailure(), "database_unavailable"),
        (psycopg.errors.DeadlockDetected(), "database_busy"),
        (psycopg.errors.SerializationFailure(), "database_busy"),
        (psycopg.errors.DiskFull(), None),
        (psycopg.errors.OutOfMemory(), None),
    ],
)
def test_each_cause_has_its_code(cause: psycopg.Error, code: str | None) -> None:
    error = OperationalError()
    error.__cause__ = cause
    refusal = refusal_of(error)
    assert (refusal.code if refusal else None) == code
