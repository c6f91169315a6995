"""The leverage page: for whom it is, what it shows, and what its slider answers."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from kpi.leverage import what_if as module
from kpi.leverage.page import BUSY
from market.kernel.turns import Turn, only_one
from risk.engine import Intent
from tests.console import Clerk, D
from tests.each import each
from trading.services import place_order

PAGE, ANSWER = "/admin/leverage/", "/admin/leverage/what-if/"
Ask = Callable[..., Any]


@pytest.fixture
def levered(exchange: None) -> None:
    """The demo's advanced trader holds what a fall by 10 % closes out."""
    user = User.objects.get(username="advanced")
    intent = Intent("ETHUSDT", True, D(260))
    assert place_order(user_id=user.pk, intent=intent).order.status == "FILLED"


def figures(answer: Any) -> dict[str, str]:
    return {figure.title: figure.value for figure in answer.context["figures"]}


@pytest.mark.usefixtures("levered")
def test_the_slider_says_who_closes_and_who_pays(staff: Client) -> None:
    answer = staff.get(ANSWER, {"move": "-10", "symbol": "ETHUSDT"})
    said = answer.content.decode()
    assert "If the mark of ETHUSDT fell by 10 %, 1 of 2 accounts" in said
    assert ">advanced</a>" in said
    shown = figures(answer)
    assert shown["Notional that closes"] == "748,800"  # 260 at 2,880
    assert shown["Accounts closed out"] == "1"
    tiers = {tier: (closed, notional) for tier, closed, notional, *_ in answer.context["tiers"]}
    assert tiers == {
        "Beginner": ("0", "0.00"),
        "Intermediate": ("0", "0.00"),
        "Advanced": ("1", "748,800.00"),
    }
    assert figures(staff.get(ANSWER, {"move": "0"}))["Accounts closed out"] == "0"
    assert (
        figures(staff.get(ANSWER, {"move": "-10", "symbol": "BTCUSDT"}))["Accounts closed out"]
        == "0"
    )


@pytest.mark.usefixtures("levered")
def test_the_largest_come_first_and_of_more_the_number(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User.objects.get(username="beginner")
    intent = Intent("ETHUSDT", True, D(4))
    assert place_order(user_id=user.pk, intent=intent).order.status == "FILLED"
    query = {"move": "-95", "symbol": "ETHUSDT"}
    rows = staff.get(ANSWER, query).context["accounts"]
    assert [row["name"] for row in rows] == ["advanced", "beginner"]
    monkeypatch.setattr("kpi.leverage.answer.MOST_LISTED", 1)
    answer = staff.get(ANSWER, query)
    assert [row["name"] for row in answer.context["accounts"]] == ["advanced"]
    assert "And 1 more with less notional" in answer.content.decode()


@pytest.mark.usefixtures("levered")
def test_the_page_holds_the_answer_that_its_address_asks_for(staff: Client) -> None:
    for query in ({"move": "-10"}, {"move": "3.25", "symbol": "ETHUSDT"}):
        assert figures(staff.get(PAGE, query)) == figures(staff.get(ANSWER, query))
    page = staff.get(PAGE, {"move": "a lot", "window": "century", "instrument": "X"})
    assert page.status_code == 200
    assert (page.context["percent"], page.context["window"]) == ("-10", "24h")
    tables = {
        panel.key: panel.rows for panel in [*page.context["panels"], *page.context["cascade"]]
    }
    assert list(tables) == ["interest", "tiers", "cascade", "fund"]
    assert tables["interest"][4][:2] == ("5x to 10x", "1")


@each(
    "query",
    [
        {"move": "x"},
        {"move": "NaN"},
        {"move": "1e400"},
        {"move": "-96"},
        {"move": "101"},
        {"move": "0.001"},
        {"move": "1e-9999999"},
        {"move": ""},
        {"move": "-5", "symbol": "NONE"},
    ],
)
def test_a_move_that_is_none_is_refused(staff: Client, query: dict[str, str]) -> None:
    answer = staff.get(ANSWER, query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_move")
    assert staff.get(PAGE, query).status_code == 200


@pytest.mark.usefixtures("levered")
def test_it_is_for_staff_who_may_see_positions(client: Client, clerk: Clerk) -> None:
    assert client.get(PAGE)["Location"].startswith("/admin/login/")
    assert client.get(ANSWER).json()["code"] == "not_logged_in"
    client.force_login(User.objects.get(username="beginner"))
    assert client.get(PAGE).status_code == 302
    assert client.get(ANSWER).status_code == 403
    client.force_login(User.objects.get(username="regulator"))
    assert ">advanced</a>" in client.get(ANSWER).content.decode()
    assert PAGE in client.get("/admin/").content.decode()
    assert [client.post(path).status_code for path in (PAGE, ANSWER)] == [405, 405]
    others = clerk("view_order")
    assert [others.get(path).status_code for path in (PAGE, ANSWER)] == [403, 403]
    assert PAGE not in others.get("/admin/").content.decode()


@pytest.mark.usefixtures("levered")
def test_names_are_for_those_who_see_accounts(clerk: Clerk) -> None:
    viewer = clerk("view_position")
    for path in (PAGE, ANSWER):
        answer = viewer.get(path)
        assert (answer.status_code, answer.context["accounts"]) == (200, None)
        assert ">advanced</a>" not in answer.content.decode()


@pytest.mark.usefixtures("levered")
def test_too_many_positions_are_said(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POSITIONS", 1)
    answer = staff.get(ANSWER)
    assert (answer.status_code, answer.context["figures"]) == (200, None)
    assert "nothing is computed" in answer.content.decode()
    assert staff.get(PAGE).status_code == 200


def test_an_empty_exchange_has_a_page(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root"))
    page = client.get(PAGE).content.decode()
    assert "place an order through the API" in page


def test_one_move_is_worked_out_at_a_time(staff: Client, exchange: None) -> None:
    with only_one(Turn.WHAT_IF):
        answer, page = staff.get(ANSWER, {"move": "-10"}), staff.get(PAGE, {"move": "-10"})
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert (page.status_code, "figures" in page.context) == (200, False)
    assert BUSY in page.content.decode()
    assert [len(figures(staff.get(path))) for path in (PAGE, ANSWER)] == [6, 6]


def test_an_answer_takes_one_connection(staff: Client, exchange: None) -> None:
    """Else as many questions as a process has connections leave none to its orders."""
    pool = connection.pool.get_stats()
    taken = pool["pool_size"] - pool["pool_available"]
    with ExitStack() as others:
        for _ in range(pool["pool_max"] - taken):
            others.enter_context(closing(connection.copy())).ensure_connection()
        assert [staff.get(path).status_code for path in (PAGE, ANSWER)] == [200, 200]
