"""The database of a release is brought forward without loss, and the exchange goes on with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from psycopg import sql
from pytest_django import DjangoDbBlocker

from accounts.models import User
from kpi.audit.models import AuditRecord
from kpi.experiments.databases import working_on
from kpi.models import Forgotten
from kpi.retention import RETENTIONS, SNAPSHOTS
from market.kernel.database import disconnect
from risk.models import LeverageLimit, RiskPolicy
from tests.conftest import ApiClient
from tests.system.upgrade.contents import Rows, rows, schema, tables
from tests.system.upgrade.releases import DUMPS, statements, version
from trading.models import Liquidation, Order

#: What a newer version may know more of; every other table keeps its rows, no more and no fewer.
GROWS: Final = {
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group_permissions",
    # What the rows were at the installation, where no history said so.
    "accounts_historicalaccountpolicy",
    # Which were no table before.
    "accounts_ratelimit",
    "accounts_historicalratelimit",
    "kpi_historicalalertrule",
    "risk_historicalleveragelimit",
    "risk_historicalriskpolicy",
}
#: What must not be empty, for the test to prove something.
LIVELY: Final = (
    *("trading_order", "trading_trade", "trading_liquidation", "trading_manualprice"),
    *(
        "accounts_user",
        "accounts_apikey",
        "accounts_transfer",
        "market_keptcandle",
        "risk_position",
    ),
    *("risk_historicalriskpolicy", "risk_historicalleveragelimit", "kpi_historicalalertrule"),
    *("kpi_auditrecord", "kpi_kpisnapshot", "kpi_alert", "kpi_ledgercheck", "kpi_auditcheck"),
)
Server = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """A connection to the server, beside the exchange's."""
    with django_db_blocker.unblock():
        parameters = connection.get_connection_params() | {"dbname": "postgres"}
        with psycopg.connect(**parameters, autocommit=True) as server:
            yield server


@dataclass(frozen=True)
class Release:
    """A database that was brought forward, with its rows before and right after."""

    database: str
    before: Rows
    after: Rows


@pytest.fixture(scope="module", params=DUMPS, ids=version)
def release(
    server: Server, request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker
) -> Iterator[Release]:
    """A database of each release, brought forward."""
    name = f"{connection.settings_dict['NAME']}_upgrade"
    dropped = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with django_db_blocker.unblock():
        server.execute(dropped)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(**connection.get_connection_params() | {"dbname": name}) as old:
            old.execute(statements(request.param))
        with working_on(name):
            columns = tables()
            before = rows(columns)
            call_command("migrate", verbosity=0)
            after = rows(columns)
        yield Release(name, before, after)
        disconnect()
        server.execute(dropped)


@pytest.fixture
def upgraded(transactional_db: None, release: Release) -> Iterator[Release]:
    """Work on it, while the test's own database stays as it is."""
    with working_on(release.database):
        yield release


@pytest.mark.django_db
def test_models_have_the_numbers_of_their_own_database_again(release: Release) -> None:
    for app, model, number in ContentType.objects.values_list("app_label", "model", "pk"):
        assert ContentType.objects.get_by_natural_key(app, model).pk == number


def test_nothing_is_lost_or_made_up(release: Release) -> None:
    before, after = release.before, release.after
    assert [table for table in LIVELY if not before[table]] == []
    lost = {table: list(before[table] - after[table]) for table in before}
    new = {table: list(after[table] - before[table]) for table in before.keys() - GROWS}
    assert {table: found for table, found in lost.items() if found} == {}
    assert {table: found for table, found in new.items() if found} == {}


def test_the_schema_is_that_of_a_new_exchange(transactional_db: None, release: Release) -> None:
    """It is not, where a migration was edited after its release."""
    new = schema()
    with working_on(release.database):
        assert schema() ^ new == set()


def test_what_may_be_pruned_already_is_noted(upgraded: Release) -> None:
    """A day in a file tells it from the first one on, whether beat ran or not."""
    noted = dict(Forgotten.objects.values_list("table", "until"))
    assert noted.keys() == {one.table for one in RETENTIONS} | {*SNAPSHOTS}
    age = timezone.now() - noted["market_pricetick"]
    assert timedelta(0) <= age - timedelta(days=settings.TICK_RETENTION_DAYS) < timedelta(hours=1)


def test_a_new_exchange_has_forgotten_nothing(transactional_db: None) -> None:
    assert not Forgotten.objects.exists()


def test_books_and_trail_are_whole_and_trading_goes_on(
    upgraded: Release, anonymous: ApiClient
) -> None:
    call_command("check_ledger")
    call_command("verify_audit")
    call_command("tick")
    token = anonymous.post("/auth/token", {"api_key": "advanced-key"}).json()["access_token"]
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    newest = anonymous.get("/orders").json()["results"][0]
    wish = {"symbol": "ETHUSDT", "side": "buy", "size": "0.01", "client_order_id": "upgraded"}
    answer = anonymous.post("/orders", wish)
    assert answer.status_code == 200, answer.content
    assert answer.json()["order"]["order_id"] > newest["order_id"]
    call_command("check_ledger")
    call_command("verify_audit")


def test_history_is_readable(upgraded: Release, anonymous: ApiClient) -> None:
    """Over the API as its owner, and in the console as staff."""
    token = anonymous.post("/auth/token", {"api_key": "beginner-key"}).json()["access_token"]
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    for path in ("orders", "trades", "positions", "account/ledger"):
        assert anonymous.get(f"/{path}").json()["results"], path
    staff = Client()
    staff.force_login(User.objects.get(username="admin"))
    for model in (Order, Liquidation, RiskPolicy, LeverageLimit, AuditRecord):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        key = model.objects.latest("pk").pk
        for page, keys in (("changelist", []), ("change", [key]), ("history", [key])):
            path = reverse(f"{name}_{page}", args=keys)
            assert staff.get(path, follow=True).status_code == 200, path
