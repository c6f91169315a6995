"""Settings from the environment: blank means the default, and what is not understood is refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ConnectionHandler, OperationalError, connections

from exchange_poc.env import database_from_url
from tests.system.deployment.files import ROOT, loaded_settings

#: Every setting that is a number, with what it is without the variable.
NUMBERS = {
    "WEB_WORKERS": ("WEB_WORKERS", "2"),
    "WEB_THREADS": ("WEB_THREADS", "16"),
    "DATABASE_CONNECTIONS": ("DATABASE_CONNECTIONS", "9"),
    "SIMULATION_VOLATILITY": ("SIMULATION_VOLATILITY", "0.0005"),
    "TICK_INTERVAL_SECONDS": ("TICK_INTERVAL_SECONDS", "1.0"),
    "SWEEP_SHARDS": ("SWEEP_SHARDS", "1"),
    "SWEEP_INTERVAL_SECONDS": ("SWEEP_INTERVAL_SECONDS", "5.0"),
    "KPI_SNAPSHOT_INTERVAL_SECONDS": ("KPI_SNAPSHOT_INTERVAL_SECONDS", "15"),
    "LEDGER_CHECK_INTERVAL_SECONDS": ("LEDGER_CHECK_INTERVAL_SECONDS", "900"),
    "AUDIT_CHECK_INTERVAL_SECONDS": ("AUDIT_CHECK_INTERVAL_SECONDS", "900"),
}
NONSENSE = ("nan", "-1", "inf", "1e300", "soon", "0x10", "1,5")
#: The texts, as compose hands them on where nobody set them, with what they are then.
TEXTS = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "PRICE_SOURCES": "['binance_testnet', 'simulation']",
    "SIMULATION_SEED": "",
    "API_RATE_LIMIT": "100/m",
    "ORDER_RATE_LIMIT": "600/m",
    "TOKEN_RATE_LIMIT": "10/m",
    "ALERT_WEBHOOK_URL": "",
    "ALERT_WEBHOOK_SECRET": "",
    "EXCHANGE_VENUE": "simulated",
    "BINANCE_BASE_URL": "https://testnet.binance.vision",
    "BINANCE_API_KEY": "",
    "BINANCE_API_SECRET": "",
}


def shown(names: Iterable[str], **variables: str) -> list[str]:
    """Return settings as text, under other variables than this process has."""
    inherited = {name: value for name, value in os.environ.items() if name not in NUMBERS}
    found = loaded_settings(inherited | variables)
    return [str(found[name]) for name in names]


@pytest.mark.parametrize("blank", ["", " ", "\t "])
def test_a_blank_variable_means_the_default(blank: str) -> None:
    defaults = {name: value for name, (_, value) in NUMBERS.items()} | TEXTS
    unset = dict.fromkeys((*defaults, "DATABASE_URL", "LOCAL_DIR"), blank)
    assert shown(defaults, **unset) == [*defaults.values()]
    found = loaded_settings(unset)
    assert (found["DATABASE"]["NAME"], found["LOCAL_DIR"].name) == ("exchange", ".local")


def test_blanks_around_a_text_are_none_of_it() -> None:
    given = {
        "REDIS_URL": "redis://127.0.0.1:6379/3",
        "API_RATE_LIMIT": "7/m",
        "EXCHANGE_VENUE": "binance_testnet",
        "BINANCE_BASE_URL": "https://venue.example.org",
        "BINANCE_API_KEY": "key",
        "BINANCE_API_SECRET": "secret",
    }
    padded = {name: f" {value}\t" for name, value in given.items()}
    assert shown(given, **padded) == list(given.values())


@pytest.mark.parametrize("name", NUMBERS)
def test_nonsense_is_one_line_that_names_the_setting(name: str) -> None:
    for text in NONSENSE:
        with pytest.raises(ImproperlyConfigured) as refusal:
            loaded_settings(os.environ | {name: text})
        assert re.fullmatch(
            rf"{name} must be a (whole )?number from [012] to .*, not '{text}'\.",
            str(refusal.value),
        )


def test_a_command_says_what_is_wrong_in_one_line() -> None:
    for command, name in (
        (("manage.py", "check"), "DJANGO_HTTPS"),
        (("-m", "exchange_poc.web"), "SWEEP_SHARDS"),
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {name: "soon"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert re.fullmatch(rf"exchange-poc: {name} must be .*\n", done.stderr)


@pytest.fixture
def url(db: None) -> str:
    """The address of the test database."""
    named = connections["default"].settings_dict
    return (
        f"postgresql://{named['USER']}:{named['PASSWORD']}@{named['HOST']}:{named['PORT']}"
        f"/{named['NAME']}"
    )


def ask(address: str, question: str) -> str:
    """Return what a connection at an address answers."""
    handler = ConnectionHandler({"default": database_from_url(address)})
    try:
        with handler["default"].cursor() as cursor:
            cursor.execute(question)
            return str(cursor.fetchone()[0])
    finally:
        handler["default"].close()


def test_options_of_the_database_reach_it(url: str) -> None:
    assert ask(f"{url}?application_name=desk%207", "SHOW application_name") == "desk 7"
    options = "options=-c%20statement_timeout%3D4321"
    assert ask(f"{url}?{options}", "SHOW statement_timeout") == "4321ms"
    for mode in ("require", "verify-full"):
        with pytest.raises(OperationalError, match=r"SSL|root certificate"):
            ask(f"{url}?sslmode={mode}", "SELECT 1")


@pytest.mark.parametrize(
    ("options", "threshold"),
    [("", 3), ("?prepare_threshold=none", None)],
)
def test_statements_are_prepared_unless_the_address_says_otherwise(
    options: str, threshold: int | None
) -> None:
    """PgBouncer before 1.21 gives a transaction a server process that knows no such statement."""
    address = f"postgresql://u@h/exchange{options}"
    found = loaded_settings(os.environ | {"DATABASE_URL": address})
    assert found["DATABASES"]["default"]["OPTIONS"]["prepare_threshold"] == threshold


def test_what_psycopg_reads_stands_among_the_options_of_libpq() -> None:
    address = (
        "postgresql://u:p%3Fw@h/x?sslmode=disable&prepare_threshold=none&application_name=a%26b"
    )
    found = database_from_url(address)
    assert found["PASSWORD"] == "p?w"
    expected = {"sslmode": "disable", "application_name": "a&b", "prepare_threshold": None}
    assert found["OPTIONS"] == expected


def test_a_socket_is_a_host() -> None:
    found = database_from_url("postgresql:///exchange?host=/run/postgresql&port=5433")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("/run/postgresql", "5433", "exchange")
    found = database_from_url("postgres://u%40x:p%2Fw@%2Frun%2Fpg/exchange")
    assert (found["USER"], found["PASSWORD"], found["HOST"]) == ("u@x", "p/w", "/run/pg")
    found = database_from_url("postgresql://a:1,b:2/exchange?target_session_attrs=read-write")
    assert (found["HOST"], found["PORT"]) == ("a,b", "1,2")
    assert found["OPTIONS"] == {"target_session_attrs": "read-write"}
    assert database_from_url("postgresql://?service=desk")["OPTIONS"] == {"service": "desk"}


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("postgresql://h/exchange?sslmod=verify-full", "unknown to PostgreSQL: ['sslmod']"),
        ("postgresql://h/exchange?pool=1&sslmode=require", "unknown to PostgreSQL: ['pool']"),
        ("postgresql://h/exchange?=", "unknown to PostgreSQL: ['']"),
        ("postgresql://h/exchange?prepare_threshold=", "can only be none"),
        ("postgresql://h/exchange?prepare_threshold=none&prepare_threshold=0", "can only be none"),
        ("postgresql://h:port/exchange", "port"),
        ("postgresql://u:sec%zzret@h/exchange", "percent-encoded"),
        ("postgresql://h", "must name a database"),
        ("mysql://h/exchange", "must start with postgresql://"),
        ("host=h dbname=exchange", "must start with postgresql://"),
        ("postgresql://[::1/exchange", "percent-encoded"),
    ],
)
def test_an_address_that_is_not_understood_is_refused(address: str, complaint: str) -> None:
    with pytest.raises(Exception, match=re.escape(complaint)) as caught:
        database_from_url(address)
    assert type(caught.value).__name__ == "ImproperlyConfigured"
    assert "zzret" not in str(caught.value)
