"""API8: the defaults are the safe ones, and nothing open tells more than it must.

That production passes Django's own check stands with the console's, tests/system/console.
"""

import os
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from accounts.keys import issue_api_key
from accounts.models import User
from tests.conftest import ApiClient
from tests.each import each
from tests.system.deployment.files import loaded_settings

GOOD_SECRET = "kXo2v9dQbN4mTzR7sWyE5uHcJ1gLfA8pYtVnZ3qBxDwC6iKePrSa0jMhUlOG"

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "DJANGO_SETTINGS_MODULE": "exchange_poc.settings",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DJANGO_SECRET_KEY": GOOD_SECRET,
}


def settings_with(**environment: str) -> dict[str, Any]:
    return loaded_settings(ENVIRONMENT | environment)


def test_debugging_and_open_hosts_are_off_by_default() -> None:
    found = settings_with()
    assert found["DEBUG"] is False
    assert "*" not in found["ALLOWED_HOSTS"]


@pytest.mark.parametrize("secret", ["changeme", "a" * 31])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    """HS256 wants a key of 256 bits (RFC 7518, section 3.2): tokens are tried offline."""
    told = "DJANGO_SECRET_KEY must have at least 32 characters"
    with pytest.raises(ImproperlyConfigured, match=told):
        settings_with(DJANGO_SECRET_KEY=secret)


def test_no_secret_is_written_down(tmp_path: Any) -> None:
    """Without one in the environment each installation makes its own, for its own eyes."""
    keys = set()
    for name in ("one", "two"):
        local = tmp_path / name
        keys.add(settings_with(DJANGO_SECRET_KEY="", LOCAL_DIR=str(local))["SECRET_KEY"])
        assert (local / "secret_key").stat().st_mode & 0o077 == 0
    assert len(keys) == 2
    assert min(map(len, keys)) >= 50


def test_cookies_and_redirects_under_https() -> None:
    names = (
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SESSION_COOKIE_HTTPONLY",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
    )
    found = settings_with(DJANGO_HTTPS="true")
    assert all(found[name] for name in names)


@each("path", ["/health", "/docs", "/schema", "/metrics", "/admin/login/", "/x"])
def test_every_answer_carries_the_security_headers(anonymous: ApiClient, path: str) -> None:
    answer = anonymous.get(path)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    # The docs open windows of their own for a login elsewhere.
    policy = "unsafe-none" if path == "/docs" else "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == policy
    assert "Access-Control-Allow-Origin" not in answer
    assert "X-Powered-By" not in answer


@pytest.mark.parametrize("method", ["trace", "options"])
def test_no_method_tells_of_the_inside(api: ApiClient, method: str) -> None:
    answer = getattr(api, method)("/orders")
    assert answer.status_code in {200, 405}
    assert "HTTP_" not in answer.content.decode()


SECRETS = (settings.SECRET_KEY, "key_hash", "pbkdf2", "postgresql://", "redis://", "Traceback")


def test_what_is_open_discloses_nothing(victim: User, anonymous: ApiClient) -> None:
    _, clear = issue_api_key(reason="A test", user=victim)
    anonymous.post("/auth/token", {"api_key": clear})
    anonymous.get("/account/me")
    for path in ("/health", "/metrics", "/schema", "/docs", "/kpi/security", "/nowhere"):
        text = anonymous.get(path).content.decode()
        told = [word for word in (*SECRETS, clear, "victim", "testserver/admin") if word in text]
        assert told == [], path


def test_health_says_no_more_than_up_or_down_and_the_version(anonymous: ApiClient) -> None:
    told = {"status", "database", "cache", "worker", "version"}
    assert set(anonymous.get("/health").json()) == told


def test_a_fault_of_ours_tells_nothing(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("postgresql://user:secret@db/exchange")

    monkeypatch.setattr("risk.api.account_statement", broken)
    api.raise_request_exception = False
    answer = api.get("/account/me")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "An internal error was logged.", "code": "server_error"}


def test_a_foreign_host_is_refused(anonymous: ApiClient) -> None:
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1@evil.example"):
        assert anonymous.get("/health", HTTP_HOST=host).status_code == 400
    answer = anonymous.get("/orders", headers={"X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.content.decode()


def test_the_login_leads_nowhere_else(db: None) -> None:
    User.objects.create_superuser("root", password="secret-4711")
    body = {"username": "root", "password": "secret-4711", "next": "https://evil.example/"}
    answer = Client().post("/admin/login/?next=https://evil.example/", body)
    assert answer.status_code == 302
    assert "evil.example" not in answer["Location"]


@each("path", ["/static/../settings.py", "/static/%2e%2e/settings.py", "/.git/config", "/.env"])
def test_no_file_of_ours_is_served(anonymous: ApiClient, path: str) -> None:
    assert anonymous.get(path).status_code in {400, 404}
