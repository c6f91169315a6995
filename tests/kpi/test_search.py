"""One search for the whole console: orders, users, pages and what the policies say."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from risk.engine import Intent
from tests.console import Clerk, D, clerk, exchange, seeded, staff, trader
from tests.each import each
from trading.models import Order
from trading.services import place_order

__all__ = ["clerk", "exchange", "seeded", "staff", "trader"]


def found(client: Client, term: str) -> dict[str, list[Any]]:
    page = client.get("/admin/search/", {"q": term})
    assert page.status_code == 200
    return {one.title: one.found for one in page.context["results"]}


def test_orders_are_found_by_all_that_is_said_of_them(staff: Client, trader: User) -> None:
    [refused] = Order.objects.exclude(reject_code="")
    named = Order.objects.get(client_order_id="grid-7")
    for term, order in (
        *((str(refused.pk), refused), ("grid-7", named), (refused.reject_code, refused)),
        *(("beginner refused", refused), ("margin btcusdt", refused), ("advanced new", named)),
    ):
        assert [one.name for one in found(staff, term)["Orders"]] == [str(order)], term
        listed = staff.get("/admin/trading/order/", {"q": term}).context["cl"].result_list
        assert list(listed) == [order], term
    assert "Orders" not in found(staff, "advanced refused")


def test_a_reject_code_is_found_however_many_orders_came_since(
    staff: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kpi.search.MOST_FOUND", 1)
    [refused] = Order.objects.exclude(reject_code="")
    place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.01")))
    assert Order.objects.latest("pk").reject_code != refused.reject_code
    assert [one.name for one in found(staff, refused.reject_code)["Orders"]] == [str(refused)]


def test_a_term_of_many_words_asks_little_and_finds_nothing(staff: Client, trader: User) -> None:
    for page in ("/admin/search/", "/admin/trading/order/"):
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(page, {"q": "btcusdt " * 60}).status_code == 200
        assert len(queries) < 30
    assert "Orders" in found(staff, "btcusdt " * 8)
    assert "Orders" not in found(staff, "btcusdt " * 9)


def test_the_accounts_of_found_orders_are_not_read_one_by_one(staff: Client, trader: User) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert found(staff, "btcusdt")["Orders"]
    assert not [one for one in queries if 'FROM "accounts_account"' in one["sql"]]


def test_users_pages_and_limits_are_found(staff: Client, trader: User) -> None:
    assert [one.name for one in found(staff, "BEGINN")["Users"]] == ["beginner"]
    assert [one.name for one in found(staff, "audit")["Pages"]] == ["Audit trail", "Audit checks"]
    [limit] = found(staff, "liquidation threshold")["Policy"]
    assert limit.text.startswith("0.5. The share of the initial margin")
    assert staff.get(limit.href).status_code == 200
    assert {one.text for one in found(staff, "max leverage beginner")["Policy"]} == {"5"}


def test_nobody_finds_what_they_may_not_see(clerk: Clerk, trader: User, client: Client) -> None:
    assert client.get("/admin/search/", {"q": "a"}).status_code == 302
    client = clerk("view_order")
    assert set(found(client, "beginner")) == {"Orders"}
    assert found(client, "threshold") == {}


@each("term", ["9" * 500, "'; --", "<b>", "%", "nobody-of-this-name", " "])
def test_an_odd_term_finds_nothing(staff: Client, term: str) -> None:
    page = staff.get("/admin/search/", {"q": term, "page": "x"})
    assert page.status_code == 200
    assert page.context["results"] == []
    assert not re.search("<b>", page.content.decode())


def test_a_limit_is_said_as_the_console_writes_it(staff: Client) -> None:
    """Of a choice its name, of none a dash, whatever the code calls them."""
    said = {one.name: one.text for one in found(staff, "beginner 5x")["Policy"]}
    assert said["Beginner: 5x: max leverage"] == "5"
    assert said["Beginner: 5x: max order value"].startswith("–. Largest size × price")
    assert said["Beginner: 5x: state"].startswith("Active. ")


def test_a_limit_is_found_by_its_number_however_that_is_written(staff: Client) -> None:
    for term in ("user exposure 5,000,000", "user exposure 5000000"):
        [limit] = found(staff, term)["Policy"]
        assert limit.text.startswith("5,000,000. ")
