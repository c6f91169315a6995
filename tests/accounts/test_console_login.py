"""The console's login: open to staff, and closed to who tries passwords."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.console import unrendered


@pytest.fixture(autouse=True)
def standing_clock() -> Iterator[None]:
    """All attempts of a test fall into one window."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


def attempt(client: Client, username: str, password: str = "", address: str = "192.0.2.1") -> int:
    body = {"username": username, "password": password or "wrong"}
    with unrendered():
        return client.post("/admin/login/", body, REMOTE_ADDR=address).status_code


def test_staff_log_in(client: Client, db: None) -> None:
    User.objects.create_superuser("root", password="secret-4711")
    assert "Log in" in client.get("/admin/login/").content.decode()
    assert attempt(client, "root", "secret-4711") == 302
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/password_change/").status_code == 200
    assert client.post("/admin/logout/").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_form_without_its_token_is_refused(db: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert attempt(strict, "root") == 403


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password="secret-4711")


def test_failures_count_by_user_and_address(client: Client, root: User) -> None:
    assert [attempt(client, "root") for _ in range(11)] == [200] * 10 + [429]
    assert attempt(client, "root", "secret-4711") == 429
    assert attempt(client, "root", "secret-4711", address="192.0.2.2") == 302
    assert attempt(Client(), "somebody") == 200


def test_spellings_that_the_form_folds_are_one_user(client: Client, root: User) -> None:
    for _ in range(10):
        attempt(client, "root")
    spellings = ("ROOT", " root", "root\u3000", "\uff52\uff4f\uff4f\uff54", "ro\u1d52t")
    answers = {spelling: attempt(client, spelling) for spelling in spellings}
    assert answers == dict.fromkeys(spellings, 429)


def test_logins_that_succeed_are_not_counted(root: User) -> None:
    assert {attempt(Client(), "root", "secret-4711") for _ in range(12)} == {302}


def test_a_refusal_says_when_to_come_back(client: Client, db: None) -> None:
    for _ in range(10):
        attempt(client, "root")
    refused = client.post("/admin/login/", {"username": "root"}, REMOTE_ADDR="192.0.2.1")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 61
    assert "Too many attempts" in refused.content.decode()


def test_nobody_locks_staff_out(root: User) -> None:
    """Neither from elsewhere, nor, once they have logged in there, from their own address."""
    home, stranger = Client(), Client()
    assert attempt(home, "root", "secret-4711") == 302
    for _ in range(12):
        attempt(stranger, "root")
    assert attempt(stranger, "root", "secret-4711") == 429
    assert attempt(home, "root", "secret-4711") == 302
    assert attempt(Client(), "root", "secret-4711", address="192.0.2.2") == 302


@pytest.fixture
def two_a_minute(settings: Settings) -> None:
    """The brake lets ten times as many pass."""
    settings.TOKEN_RATE_LIMIT = "2/m"


@pytest.mark.usefixtures("two_a_minute")
def test_the_brake_holds_a_user_tried_from_everywhere(root: User) -> None:
    home = Client()
    attempt(home, "root", "secret-4711")
    statuses = [attempt(Client(), "root", address=f"192.0.2.{n}") for n in range(21)]
    assert statuses == [200] * 20 + [429]
    assert attempt(Client(), "somebody", address="192.0.2.99") == 200
    assert attempt(home, "root", "secret-4711") == 302


@pytest.mark.usefixtures("two_a_minute")
def test_the_brake_holds_an_address_that_tries_everybody(root: User) -> None:
    statuses = [attempt(Client(), f"user{n}") for n in range(21)]
    assert statuses == [200] * 20 + [429]
    assert attempt(Client(), "root", "secret-4711", address="192.0.2.2") == 302


def test_a_known_browser_has_a_limit_too(root: User) -> None:
    home = Client()
    attempt(home, "root", "secret-4711")
    assert [attempt(home, "root") for _ in range(11)] == [200] * 10 + [429]
    home.cookies["console_device"] = "forged"
    assert attempt(home, "root") == 200
    for _ in range(9):
        attempt(home, "root")
    assert attempt(home, "root") == 429
