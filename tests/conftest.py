"""What every test may need: a database that is as migrated, a user, API clients with a token.

Processes of a parallel run share the servers, and nothing in them: each has a PostgreSQL database
and a Redis database of its own.
"""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connection, transaction
from django.template import Context, Template
from django.test import TransactionTestCase
from django.test.signals import template_rendered
from django.utils.safestring import SafeString
from psycopg._preparing import PrepareManager
from psycopg.pq import TransactionStatus
from pytest_django import DjangoDbBlocker
from pytest_django.plugin import blocking_manager_key
from rest_framework.test import APIClient
from whitenoise.middleware import WhiteNoiseMiddleware
from xdist import is_xdist_controller

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import User
from accounts.services import create_user
from tests import template
from tests.restoring import Restorer, keep_rows


class ApiClient(APIClient):
    """Speaks JSON; an error that the API does not answer is raised in the test."""

    default_format = "json"


#: Of the database to copy, in the process that the others of a parallel run report to.
MIGRATION = pytest.StashKey[Future[None]]()
ClientOf = Callable[[User], ApiClient]
Restore = Callable[..., None]
#: How much of a run has whole systems among its tests.
SYSTEMS_UNTIL = 0.75
#: Its multiples fall between one another, however many there are.
GOLDEN_RATIO = (5**0.5 - 1) / 2
#: Whose tests coverage follows.
MEASURED = {"risk", "trading", "model", "demo", "console"}

# On a busy machine an example, an answer of Redis, or a connection may wait long for its turn.
django_settings.CACHES["default"]["OPTIONS"]["SOCKET_TIMEOUT"] = 5
django_settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 60
# Prices are simulated; a test of a price source names its own.
django_settings.PRICE_SOURCES = ["simulation"]
# A slow hash protects passwords; a test has none to protect.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
# `make check` asks for it: fewer examples than in `make test`, which tries 100.
hypothesis.settings.register_profile(
    "quick", hypothesis.settings.get_profile("patient"), max_examples=20
)
hypothesis.settings.load_profile("patient")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run files that the command names in its own process, which starts sooner than others.

    Else in one process more than there are cores: a test that waits leaves its core to another.
    """
    is_named = config.args_source is pytest.Config.ArgsSource.ARGS
    all_files = all(".py" in argument for argument in config.args)
    return 0 if is_named and all_files else (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Give each process of a parallel run a Redis database, as pytest-django gives it one.

    That one is a copy of a database which is migrated while the processes load the tests.
    """
    url = urlsplit(os.environ["REDIS_URL"])
    for number, spec in enumerate(specs, start=1):
        spec.env["REDIS_URL"] = url._replace(path=f"/{number}").geturl()
    if not config.option.reuse_db:
        blocker = config.stash[blocking_manager_key]
        config.stash[MIGRATION] = ThreadPoolExecutor(1).submit(template.make, blocker)
        config.add_cleanup(lambda: template.drop(blocker))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of a parallel run what to copy."""
    if MIGRATION in node.config.stash:
        node.workerinput["template"] = template.NAME


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """Let no test begin before there is the database to copy."""
    if migration := node.config.stash.get(MIGRATION, None):
        migration.result()


def pytest_collection(session: pytest.Session) -> None:
    """Find the console's pages, which parameters of tests are made of, where tests are loaded.

    Meanwhile the collector rests: hardly anything is garbage.
    """
    if not is_xdist_controller(session):
        import_module("exchange_poc.urls")
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of each package over the run, and end with tests that only compute.

    So neither stands a core idle while several wait, as those of the web server do, nor is a
    process left alone with a long test of a whole system at the end.
    Coverage, which triples the time of a test, follows those alone that are about its subject.
    Of tests with one id a parallel run would run one and say nothing of the others.
    """
    doubled = [one for one, times in Counter(item.nodeid for item in items).items() if times > 1]
    if doubled:
        raise pytest.UsageError(f"Several tests are called {doubled[0]}.")
    parts = {item: item.nodeid.partition("::")[0].split("/") for item in items}
    packages: dict[Path, dict[Path, list[str]]] = {}
    for item in items:
        packages.setdefault(item.path.parent, {})[item.path] = parts[item]
    place = {}
    for index, files in enumerate(packages.values()):
        first = index * GOLDEN_RATIO % 1  # lest those of one file each come one after the other
        for number, (path, names) in enumerate(files.items()):
            until = SYSTEMS_UNTIL if "system" in names else 1
            place[path] = (number + first) / len(files) * until
    items.sort(key=lambda item: (place[item.path], item.path))
    for item in items:
        if MEASURED.isdisjoint(parts[item]):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """Spare the collector what is loaded by now: going through it again and again takes minutes."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Copy the template, where there is one, in place of migrating."""
    here = getattr(request.config, "workerinput", {}).get("template")
    if name := here or os.environ.get(template.VARIABLE):
        connection.settings_dict["TEST"] |= {"TEMPLATE": name, "MIGRATE": False}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Restore]:
    """Restore after a test that committed, as Django's own way is refused here."""
    with django_db_blocker.unblock():
        keep_rows()
    restore = Restorer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", restore)
        yield restore
    restore.session.close()


@pytest.fixture(scope="session")
def restore_database(django_db_setup: Restore) -> Restore:
    """For a fixture that commits and outlives a test: ``restore_database()``."""
    return django_db_setup


@pytest.fixture(scope="session")
def market_rows(django_db_setup: Restore, django_db_blocker: DjangoDbBlocker) -> str:
    """What the market of the trading tests is copied by, for all who take that fixture over."""
    from tests.kept import kept
    from tests.trading.conftest import list_market

    captured = {"kpi_auditrecord", "kpi_streamevent"}
    return kept("market", list_market, django_db_blocker, captured=captured)


@contextmanager
def undone(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Roll the block back, for a fixture that outlives a test; market steps may begin within."""
    outermost = transaction.atomic()
    outermost._from_testcase = True  # as Django marks its own
    with blocker.unblock(), outermost:
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="session", autouse=True)
def list_static_files_once() -> Iterator[None]:
    """Each client of a test makes the middlewares anew, and one of them reads a thousand files."""
    files = WhiteNoiseMiddleware().files
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            WhiteNoiseMiddleware, "add_files_from_finders", lambda self: self.files.update(files)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def tell_pages_alone(django_test_environment: None) -> Iterator[None]:
    """Keep the context of a page for its test, not one for each of a hundred parts of it."""

    def render(self: Template, context: Context) -> SafeString:
        if context.template is self:
            template_rendered.send(sender=self, template=self, context=context)
        return self.nodelist.render(context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", render)
        yield


@pytest.fixture(scope="session", autouse=True)
def keep_prepared_statements() -> Iterator[None]:
    """Undo a test, or a case of one, without planning all of its statements anew in the next.

    psycopg forgets at each ROLLBACK what is prepared, since a prepared statement may name what is
    gone with it; PostgreSQL keeps it, and plans it again where that is so. Of a transaction that
    failed, and of one that the product rolls back, psycopg forgets as ever.
    """
    leave = transaction.Atomic.__exit__

    def undo(block: transaction.Atomic, *error: Any) -> None:
        raw = connection.connection if block._from_testcase else None
        with pytest.MonkeyPatch.context() as patch:
            if raw and raw.info.transaction_status == TransactionStatus.INTRANS:
                patch.setattr(raw._prepared, "clear", lambda: False)
            leave(block, *error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrepareManager, "prepared_max", 1000)  # each savepoint has a name of its own
        patch.setattr(transaction.Atomic, "__exit__", undo)
        yield


@pytest.fixture(autouse=True)
def forget_rate_limits() -> None:
    """Let no test inherit the requests that another one counted."""
    cache.delete_pattern("rl:*")


@pytest.fixture
def collector_at_rest() -> Iterator[None]:
    """Look for no garbage while input fills the stack, on which nothing can be ended."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def user(db: None) -> User:
    """A beginner with an account and the opening balance of the policy."""
    return create_user(username="alice")


@pytest.fixture
def client_of() -> ClientOf:
    """Give a user a key and return a client with a token of it: ``client_of(user).get(…)``."""

    def create(user: User) -> ApiClient:
        api_key, _ = issue_api_key(reason="A test", user=user)
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
