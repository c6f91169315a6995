"""``add_traders`` makes all of its traders or none, and loses no key on the way."""

import csv
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.key_terms import KeyTerms
from accounts.keys import identify
from accounts.models import ApiKey, User
from accounts.services import create_user
from tests.each import each
from trading.history.ledger_check import ledger_differences

Run = Callable[..., str]

#: A commit that fails after all else went well.
DOOM = """
CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the commit failed'; END $$;
CREATE CONSTRAINT TRIGGER doom AFTER INSERT ON accounts_user DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION doom();
"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.csv"


@pytest.fixture
def run(db: None, keys: Path) -> Run:
    def call(count: int | str, *arguments: str, keys: Path = keys) -> str:
        out = StringIO()
        options = ("--count", str(count), "--keys", str(keys), "--verbosity", "0")
        call_command("add_traders", *options, *arguments, stdout=out)
        return out.getvalue()

    return call


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_trader_has_an_account_with_a_deposit_and_a_key(run: Run, keys: Path) -> None:
    said = run(3, "--tier", "intermediate", "--balance", "10000", "--prefix", "bot")
    assert said.startswith("Created 3 intermediate trader(s), bot-1 to bot-3;")
    assert keys.stat().st_mode & 0o777 == 0o600
    rows = rows_of(keys)
    assert [row["username"] for row in rows] == ["bot-1", "bot-2", "bot-3"]
    for row in rows:
        user = identify(key=row["api_key"]).user
        assert (str(user.pk), user.username) == (row["user_id"], row["username"])
        assert (user.tier, user.account.balance) == ("intermediate", Decimal(10_000))
        assert not user.has_usable_password()
        assert row["api_key"] not in str(ApiKey.objects.filter(user=user).values())
        assert row["api_key"] not in said
    assert ledger_differences() == []


def test_keys_come_with_the_terms_that_are_asked_for(run: Run, keys: Path) -> None:
    terms = ("--scopes", "read", "--expires-at", "2031-05-06T07:08:09Z")
    run(2, *terms, "--networks", "192.0.2.0/24", "2001:db8::/32")
    for row in rows_of(keys):
        kept = KeyTerms.of(identify(key=row["api_key"]))
        end = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
        assert kept == KeyTerms("read", end, ("192.0.2.0/24", "2001:db8::/32"))


def test_a_further_call_completes_and_touches_nobody(run: Run, keys: Path, tmp_path: Path) -> None:
    create_user(username="agent-2", opening_balance=Decimal(7))
    assert "Skipped agent-2: " in run(3)
    assert [row["username"] for row in rows_of(keys)] == ["agent-1", "agent-3"]
    assert User.objects.get(username="agent-1").account.balance == Decimal(100_000)
    before = keys.read_text()
    assert "Nothing to do" in run(3)
    assert "Skipped agent-1, agent-2, agent-3: " in run(4, keys=tmp_path / "more.csv")
    assert [row["username"] for row in rows_of(tmp_path / "more.csv")] == ["agent-4"]
    assert keys.read_text() == before
    assert User.objects.get(username="agent-2").account.balance == Decimal(7)
    assert not ApiKey.objects.filter(user__username="agent-2").exists()


def test_a_file_that_exists_is_not_written_over(run: Run, keys: Path) -> None:
    keys.write_text("mine")
    with pytest.raises(CommandError, match="exists; keys are only written to a new file"):
        run(2)
    assert keys.read_text() == "mine"
    assert not User.objects.exists()


@each(
    ("arguments", "complaint"),
    [
        (("0",), "no whole number from 1 to 1000"),
        (("1001",), "no whole number from 1 to 1000"),
        (("2", "--tier", "whale"), "invalid choice"),
        (("2", "--prefix", "=1"), "begins with a letter"),
        (("2", "--prefix", "a" * 41), "up to 40 letters"),
        (("2", "--balance", "much"), "is no number"),
        (("2", "--balance", "NaN"), "invalid_amount"),
        (("2", "--balance", "0"), "invalid_amount"),
        (("2", "--balance", "0.000000001"), "invalid_amount"),
        (("2", "--balance", "1000000000000"), "invalid_amount"),
        (("2", "--scopes", "trade"), "invalid choice"),
        (("2", "--expires-at", "soon"), "is no instant"),
        (("2", "--expires-at", "9999-12-31T23:59:59-12:00"), "is no instant"),
        (("2", "--expires-at", "2020-01-01"), "expiry_passed"),
        (("2", "--networks", "192.0.2.1/24"), "invalid_networks"),
    ],
)
def test_bad_arguments_make_nobody(
    run: Run, keys: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run(*arguments)
    assert not User.objects.exists()
    assert not keys.exists()


def test_where_the_keys_cannot_be_written_nobody_is_made(run: Run, keys: Path) -> None:
    with pytest.raises(CommandError, match=r"No such file or directory; nothing was done\."):
        run(2, keys=keys.parent / "missing" / "keys.csv")
    with (
        files_of_at_most(100),
        pytest.raises(CommandError, match=r"File too large; nothing was done\."),
    ):
        run(3)
    assert not User.objects.exists()
    assert not keys.exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to write more into a file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.django_db(transaction=True)
def test_the_keys_are_kept_where_the_fate_of_the_commit_is_unknown(run: Run, keys: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DOOM)
    try:
        with pytest.raises(CommandError, match=r"(?s)the commit failed.*keys are kept in"):
            run(2)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION doom CASCADE")
    assert len(rows_of(keys)) == 2
    assert not User.objects.exists()
