"""The console's login: open to staff, and closed to who tries passwords."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.test import Client

from accounts.models import User


@pytest.fixture(autouse=True)
def standing_clock() -> Iterator[None]:
    """All attempts of a test fall into one window."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


def attempt(client: Client, username: str, password: str = "", address: str = "192.0.2.1") -> int:
    body = {"username": username, "password": password or "wrong"}
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


def test_passwords_cannot_be_tried_from_one_address(client: Client, db: None) -> None:
    statuses = [attempt(client, f"user{n}") for n in range(11)]
    assert statuses == [200] * 10 + [429]
    assert attempt(client, "user", address="192.0.2.2") == 200


def test_passwords_of_one_user_cannot_be_tried_from_many_addresses(
    client: Client, db: None
) -> None:
    User.objects.create_superuser("root", password="secret-4711")
    statuses = [attempt(client, "ROOT", address=f"192.0.2.{n}") for n in range(11)]
    assert statuses == [200] * 10 + [429]
    refused = client.post("/admin/login/", {"username": "root", "password": "secret-4711"})
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) <= 61
    assert "Too many attempts" in refused.content.decode()
