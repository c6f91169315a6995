"""The console's home page: live figures and charts, and what to do where there are none."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Account, Tier, User
from accounts.services import create_user
from exchange_poc.version import VERSION
from kpi.alerts.rules import apply_rule
from kpi.dashboard.margin_ratios import margin_ratios
from kpi.dashboard.page import SHOWN_WINDOWS
from kpi.history.snapshots import take_snapshot
from kpi.models import AlertRule
from kpi.selectors import accounts_near_liquidation
from market.services import list_instrument
from risk.engine import Intent
from risk.maintenance import Requirement, requirement_of
from risk.selectors import get_policy
from risk.services import change_policy
from risk.statement import account_statement
from tests.console import Clerk, D
from trading.services import place_order
from trading.steps.by_hand import set_price

DATA = "/admin/dashboard/data/"
Read = Callable[..., dict[str, Any]]


@pytest.fixture
def read(staff: Client) -> Read:
    """Fetch the live data as staff: ``read(window="24h")``."""

    def fetch(**query: str) -> dict[str, Any]:
        answer = staff.get(DATA, query)
        assert answer.status_code == 200
        return answer.json()

    return fetch


def by_title(cards: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {card["title"]: card for card in cards}


def test_cards_show_the_state_of_the_exchange(staff: Client, read: Read) -> None:
    data = read()
    markets, cards = by_title(data["markets"]), by_title(data["cards"])
    assert (markets["BTCUSDT"]["value"], markets["ETHUSDT"]["value"]) == ("50,000", "3,200")
    assert cards["Global exposure"]["value"] == "620.00"
    assert cards["Global exposure"]["note"] == "0.0% of 10,000,000"
    assert cards["Accounts near close-out"]["unit"] == "of 1"
    assert (cards["Insurance fund"]["value"], cards["Bad debt"]["value"]) == ("75,000", "0.00")
    assert (data["hint"], data["halted"]) == ("", False)
    for card in [*markets.values(), *cards.values()]:
        assert staff.get(card["href"]).status_code == 200


def test_the_page_holds_the_data_that_it_fetches_later(staff: Client) -> None:
    page = staff.get("/admin/", {"window": "6h"})
    shown, fetched = page.context["data"], staff.get(DATA, {"window": "6h"}).json()
    assert [card["value"] for card in shown["cards"]] == [
        card["value"] for card in fetched["cards"]
    ]
    assert (shown["window"], fetched["window"]) == ("6h", "6h")
    assert f"Research simulation {VERSION}" in page.content.decode()
    assert staff.get("/admin/", {"window": "century"}).context["window"] == "1h"


def test_snapshots_become_series_and_trends(read: Read) -> None:
    now = timezone.now()
    for minutes, price in ((0, "50000"), (5, "55000")):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            set_price(symbol="BTCUSDT", price=D(price))
            take_snapshot()
    with time_machine.travel(now + timedelta(minutes=6), tick=False):
        data = read(window="1h")
    [bitcoin, ether] = data["charts"]["prices"]
    # The exchange comes with a snapshot; it may be older.
    assert [price for _, price in bitcoin["points"]][-2:] == [50_000, 55_000]
    assert [price for _, price in ether["points"]][-2:] == [3_200, 3_200]
    markets = by_title(data["markets"])
    assert (markets["BTCUSDT"]["change"], markets["ETHUSDT"]["change"]) == ("▲ 10.00%", "unchanged")
    assert [value for _, value in data["charts"]["exposure"]["points"]][-2:] == [620, 620]
    assert data["since"] < bitcoin["points"][0][0] < data["at"]


def test_every_window_can_be_asked_for(read: Read, staff: Client) -> None:
    take_snapshot()
    assert {read(window=window)["window"] for window in SHOWN_WINDOWS} == set(SHOWN_WINDOWS)
    refused = staff.get(DATA, {"window": "century"})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_window")


def test_margin_ratios_are_those_of_the_statements(read: Read) -> None:
    user = User.objects.get(username="advanced")
    place_order(user_id=user.pk, intent=Intent("ETHUSDT", True, D(25)))
    set_price(symbol="ETHUSDT", price=D(3_100))
    found = margin_ratios(by=Requirement(D("0.5")))
    assert [row.ratio for row in found.nearest] == sorted(row.ratio for row in found.nearest)
    for row in found.nearest:
        account = Account.objects.get(pk=row.account_id)
        statement = account_statement(user_id=account.user_id)
        assert (row.ratio, row.equity) == (statement.margin_ratio, statement.equity)
    assert (found.accounts, sum(found.counts)) == (2, 2)
    assert [row["name"] for row in read()["accounts"]] == [row.username for row in found.nearest]
    assert sum(read()["charts"]["ratios"]["counts"]) == 2


def test_by_brackets_accounts_are_told_by_what_they_require(read: Read) -> None:
    """28 % of 3,200 × 100 is required of one of the accounts."""
    user = User.objects.get(username="advanced")
    place_order(user_id=user.pk, intent=Intent("ETHUSDT", True, D(100), leverage=10))
    rules = {"margin_mode": "brackets", "maintenance_brackets": "ETHUSDT 900000: 0.28 3x"}
    change_policy(reason="A test", changes=rules)
    charts = read()["charts"]
    assert (charts["ratios"]["of"], charts["ratios"]["threshold"]) == ("equity ÷ maintenance", "1")
    first = read()["accounts"][0]
    statement = account_statement(user_id=user.pk)
    assert first["name"] == "advanced"
    assert statement.maintenance_margin == D(89_600)
    found = margin_ratios(by=requirement_of(get_policy()))
    multiple = statement.equity / D(89_600)
    assert first["ratio"] == f"{multiple:.2f}"
    assert [row.ratio for row in found.nearest] == sorted(row.ratio for row in found.nearest)
    bucket = sum(bound <= multiple for bound in found.bounds)
    assert found.counts[bucket] >= 1
    assert multiple < D("1.2")
    assert accounts_near_liquidation(positions=2) == sum(found.counts[:2]) == 1


@pytest.mark.usefixtures("exchange")
def test_by_brackets_an_account_without_margin_is_told_too() -> None:
    """Rounding has left none of what is short, of which something is required all the same."""
    rules = {"tick_size": D("0.01"), "lot_size": D("0.000001"), "reason": "A test"}
    list_instrument(symbol="DUSTUSDT", base_asset="DUST", **rules)
    set_price(symbol="DUSTUSDT", price=D("0.01"))
    user = create_user(username="dust", tier=Tier.ADVANCED, opening_balance=D(10))
    for is_buy, size in ((False, "0.000003"), (True, "0.000002")):
        place_order(user_id=user.pk, intent=Intent("DUSTUSDT", is_buy, D(size), leverage=10))
    ladders = {"margin_mode": "brackets", "maintenance_brackets": "DUSTUSDT 900: 0.01 10x"}
    before = margin_ratios(by=requirement_of(get_policy())).accounts
    change_policy(reason="A test", changes=ladders)
    assert account_statement(user_id=user.pk).margin_used == 0
    assert margin_ratios(by=requirement_of(get_policy())).accounts == before + 1


@pytest.mark.usefixtures("exchange")
def test_a_cushion_is_what_the_price_may_fall() -> None:
    user = User.objects.get(username="advanced")
    place_order(user_id=user.pk, intent=Intent("ETHUSDT", True, D(100), leverage=10))
    nearest = margin_ratios(by=Requirement(D("0.5"))).nearest
    [row] = [row for row in nearest if row.username == str(user)]
    [position] = account_statement(user_id=user.pk).positions
    assert position.liquidation_price is not None
    fall = 1 - position.liquidation_price / D(3_200)
    assert abs(row.cushion - fall) < D("0.000001")


def test_an_empty_exchange_says_what_to_do(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root"))
    data = client.get("/admin/").context["data"]
    assert "seed_demo" in data["hint"]
    assert (data["markets"], data["accounts"]) == ([], [])
    assert "place an order through the API" in client.get("/admin/").content.decode()


def test_buttons_are_offered_to_those_who_may_press_them(staff: Client, clerk: Clerk) -> None:
    assert len(staff.get("/admin/").context["buttons"]) == 5
    assert clerk().get("/admin/").context["buttons"] == []


def test_the_data_are_for_staff_and_names_for_those_who_see_accounts(
    client: Client, trader: User, clerk: Clerk
) -> None:
    assert client.get(DATA).status_code == 403
    client.force_login(trader)
    assert client.get(DATA).json()["code"] == "not_logged_in"
    clerks = clerk("view_order")
    assert clerks.get(DATA).json()["accounts"] is None
    assert "beginner" not in clerks.get("/admin/").content.decode()
    assert clerks.post(DATA).status_code == 405


def test_open_alerts_stand_on_top(read: Read, staff: Client) -> None:
    rule = AlertRule.objects.get(kind="exposure_share", severity="critical")
    before = read()["attention"]
    apply_rule(rule_id=rule.pk, value=rule.threshold + 1)
    [alert] = [one for one in read()["attention"] if one not in before]
    assert (alert["severity"], alert["by"]) == (rule.severity, "")
    assert staff.get(alert["href"]).status_code == 200
    apply_rule(rule_id=rule.pk, value=0)
    assert read()["attention"] == before


def test_the_data_cost_as_many_queries_however_much_there_is(staff: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.get(DATA)
    assert len(queries) < 28
