"""The console's home page: figures, charts, and what to do where there are none."""

import json
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.admin.conftest import Clerk


def charts(client: Client) -> dict[str, dict[str, list[object]]]:
    """Return the data sets of each chart by title and label."""
    drawn = client.get("/admin/").context["charts"]
    return {
        chart.title: {s["label"]: s["data"] for s in json.loads(unescape(chart.data))["datasets"]}
        for chart in drawn
        if chart.data
    }


def test_cards_show_the_state_of_the_exchange(staff: Client) -> None:
    cards = {card.title: card for card in staff.get("/admin/").context["cards"]}
    assert cards["BTCUSDT"].value == "50,000"
    assert cards["Global exposure"].value == "620.00"
    assert cards["Global exposure"].note == "0.0 % of at most 10,000,000 USDT"
    assert cards["Open positions"].value == "1"
    assert cards["Orders"].note == "1 rejected"
    assert cards["Liquidations"].value == "1"
    assert (cards["Insurance fund"].value, cards["Bad debt"].value) == ("75,000.00", "0.00")
    for card in cards.values():
        assert staff.get(card.href).status_code == 200


def test_charts_show_prices_interest_and_liquidations(staff: Client) -> None:
    drawn = charts(staff)
    assert drawn["BTCUSDT: mark price per minute, USDT"]["BTCUSDT"][-1] == "50000.00000000"
    interest = drawn["Open interest, USDT"]
    assert (float(str(interest["Long"][0])), float(str(interest["Short"][0]))) == (320, 0)
    counts = drawn["Liquidations per hour, UTC"]["Liquidations"]
    assert (len(counts), sum(int(str(count)) for count in counts)) == (24, 1)


def test_an_empty_exchange_says_what_to_do(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root"))
    page = client.get("/admin/").content.decode()
    assert "seed_demo" in page
    assert "place an order through the API" in page
    assert charts(client) == {}


def test_buttons_are_offered_to_those_who_may_press_them(staff: Client, clerk: Clerk) -> None:
    assert len(staff.get("/admin/").context["buttons"]) == 4
    assert clerk().get("/admin/").context["buttons"] == []


@pytest.mark.usefixtures("exchange")
def test_the_page_costs_few_queries(staff: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.get("/admin/")
    assert len(queries) < 25
