"""API5: what staff do is closed to traders, at every URL of the console and by every method."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver

from accounts.models import User
from accounts.services import suspend_account
from tests.conftest import ApiClient, ClientOf
from tests.each import each
from trading.models import Order

OPEN_PAGES = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}


def console_paths() -> list[str]:
    """Return every page of the console that needs no more than one id."""
    return sorted(path for path in paths(admin.site.get_urls()[:], "/admin/"))


def paths(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).replace("<path:object_id>", "1")
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, route)
        elif not any(sign in route for sign in "<(^$"):
            yield route


def test_the_console_has_pages() -> None:
    assert len(console_paths()) > 40
    assert "/admin/risk/riskpolicy/" in console_paths()


@pytest.fixture
def trader_in_browser(db: None) -> Client:
    """A trader who has a password and a session, but is no member of staff."""
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.create_user("trader", password="secret-4711"))
    return client


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_of_the_console_sends_a_trader_to_the_login(
    trader_in_browser: Client, method: str
) -> None:
    opened = [
        path
        for path in set(console_paths()) - OPEN_PAGES
        if (answer := getattr(trader_in_browser, method)(path)).status_code not in {403, 404}
        and not (answer.status_code == 302 and answer["Location"].startswith("/admin/login/"))
    ]
    assert opened == []


def test_a_token_does_not_open_the_console(intruder: ApiClient, staff: ApiClient) -> None:
    for client in (intruder, staff):
        answer = client.get("/admin/")
        assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/")


def test_a_trader_cannot_log_in_to_the_console(db: None) -> None:
    User.objects.create_user("trader", password="secret-4711")
    answer = Client().post("/admin/login/", {"username": "trader", "password": "secret-4711"})
    assert (answer.status_code, "sessionid" in answer.cookies) == (200, False)


def test_staff_without_rights_change_nothing(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    changing = [path for path in console_paths() if path.endswith(("/add/", "/change/"))]
    assert len(changing) > 40
    assert [path for path in changing if client.get(path).status_code == 200] == []


@each("path", ["/market/halt", "/risk/policy", "/users", "/accounts", "/liquidate", "/debug"])
def test_no_staff_call_hides_in_the_api(intruder: ApiClient, staff: ApiClient, path: str) -> None:
    for client in (intruder, staff):
        assert client.post(path, {}).status_code == 404


def test_a_suspended_account_reads_and_cancels_but_opens_nothing(
    victim: User, resting: Order, client_of: ClientOf
) -> None:
    suspend_account(reason="A test", account=victim.account)
    client = client_of(victim)
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}
    assert client.post("/orders", body).json()["code"] == "account_suspended"
    [result] = client.post("/orders/batch", {"orders": [body]}).json()["results"]
    assert result["code"] == "account_suspended"
    assert client.get("/account/me").status_code == 200
    assert client.post(f"/orders/{resting.pk}/cancel").status_code == 200


def test_method_override_is_not_honoured(intruder: ApiClient, victim: User) -> None:
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        assert intruder.get("/market/tick", headers={header: "POST"}).status_code == 405
