"""Who gets the data of the charts, what they hold, and how they refuse."""

import hashlib
import re
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account, AccountKind, User
from market.models import Instrument
from market.services import BEYOND_COLLAR, configure_instrument, halt_instrument, resume_instrument
from risk.engine import Intent
from risk.models import Position
from risk.services import change_policy
from risk.statement import account_statement
from tests.console import Clerk, D
from tests.console import clerk as clerk
from tests.console import exchange as exchange
from tests.console import seeded as seeded
from tests.console import staff as staff
from tests.console import trader as trader
from tests.each import each
from trading.models import Liquidation, Order
from trading.services import place_order
from trading.steps.by_hand import set_price

VENDORED = settings.BASE_DIR / "kpi/static/kpi/lightweight-charts"
CHARTS = settings.BASE_DIR / "docs" / "charts.md"
NAMES = {
    "account-path": "view_account",
    "position-path": "view_position",
    "close-out-path": "view_liquidation",
    "instrument-candles": "view_instrument",
}


def addresses() -> dict[str, str]:
    done = Liquidation.objects.latest("id")
    position = Position.objects.get(account=done.account, status="LIQUIDATED")
    keys = {
        "account-path": done.account_id,
        "position-path": position.pk,
        "close-out-path": done.pk,
        "instrument-candles": position.instrument_id,
    }
    return {name: reverse(name, args=[key]) for name, key in keys.items()}


def test_a_chart_is_for_whoever_may_see_its_page(clerk: Clerk, exchange: None) -> None:
    regulator, trader, stranger = Client(), Client(), Client()
    regulator.force_login(User.objects.get(username="regulator"))
    trader.force_login(User.objects.get(username="intermediate"))
    for name, address in addresses().items():
        assert regulator.get(address).status_code == 200
        assert regulator.post(address).status_code == 405
        for client in (trader, stranger):
            answer = client.get(address)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_logged_in")
        assert name in NAMES
    client = clerk("view_position")
    for name, address in addresses().items():
        expected = 200 if NAMES[name] == "view_position" else 403
        assert client.get(address).status_code == expected


@each(
    ("name", "query", "status", "code"),
    [
        ("account-path", "window=2h", 400, "unknown_window"),
        ("close-out-path", "window=", 200, ""),
        ("account-path", "symbol=NONE", 200, ""),
        ("instrument-candles", "interval=2m", 400, "unknown_bars"),
        ("instrument-candles", "until=-1", 400, "unknown_bars"),
        ("instrument-candles", "until=999999999999999999", 400, "unknown_bars"),
        ("instrument-candles", "until=1", 200, ""),
    ],
)
def test_what_is_not_understood_is_refused(
    staff: Client, name: str, query: str, status: int, code: str
) -> None:
    answer = staff.get(f"{addresses()[name]}?{query}")
    assert (answer.status_code, answer.json().get("code", "")) == (status, code)


def test_what_is_not_there_is_not_found(staff: Client) -> None:
    insurance = Account.objects.get(kind=AccountKind.INSURANCE)
    assert staff.get(reverse("account-path", args=[insurance.pk])).status_code == 404
    for name in NAMES:
        assert staff.get(reverse(name, args=[2**70])).status_code == 404


def test_the_last_point_is_the_figure_of_the_account_s_page(staff: Client, trader: User) -> None:
    chart = staff.get(reverse("account-path", args=[trader.account.pk])).json()
    statement = account_statement(user_id=trader.pk)
    last, [line] = chart["points"][-1], statement.positions
    assert (last["kind"], last["known"], chart["symbol"]) == ("now", True, "ETHUSDT")
    assert D(last["ratio"]) == statement.margin_ratio
    assert D(last["equity"]) == statement.equity
    assert D(last["entry"]) == line.entry_price
    assert last["liquidation_price"] is line.liquidation_price is None  # however low the mark
    assert {mark["kind"] for mark in chart["marks"]} == {"buy", "sell"}


def test_a_close_out_is_marked_with_its_page(staff: Client) -> None:
    done = Liquidation.objects.get()
    chart = staff.get(addresses()["close-out-path"]).json()
    [mark] = [mark for mark in chart["marks"] if mark["kind"] == "close_out"]
    assert mark["text"] == "Closed out: sold 5 at 50,000"
    assert mark["href"] == reverse("admin:trading_liquidation_change", args=[done.pk])
    before = next(point for point in chart["points"] if point["kind"] == "before")
    assert D(before["ratio"]) == done.margin_ratio_before


def test_a_refused_order_is_marked_with_its_reason(staff: Client) -> None:
    refused = Order.objects.get(status="REJECTED", symbol="BTCUSDT")
    address = reverse("account-path", args=[refused.account_id])
    marks = staff.get(address, {"symbol": "BTCUSDT"}).json()["marks"]
    told = [mark["text"] for mark in marks if mark["kind"] == "refused"]
    assert told == [f"Refused: buy 500, {refused.reject_code}"]


def test_fills_of_a_bar_are_one_mark_with_their_count(staff: Client, trader: User) -> None:
    address = reverse("account-path", args=[trader.account.pk])
    with CaptureQueriesContext(connection) as before:
        staff.get(address)
    for size in ("0.01", "0.02", "0.03", "0.04"):
        place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D(size)))
    with CaptureQueriesContext(connection) as after:
        chart = staff.get(address).json()
    assert len(after) <= len(before)
    bought = [mark for mark in chart["marks"] if mark["kind"] == "buy"]
    assert sum(mark["count"] for mark in bought) == 5
    told = r"\d fills: bought [\d.]+ at 3,200 on average"
    assert any(re.fullmatch(told, mark["text"]) for mark in bought)
    assert "one mark with their count" in " ".join(chart["notes"])


def test_more_fills_than_are_replayed_leave_a_gap_that_is_told(
    staff: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    with time_machine.travel(now + timedelta(minutes=2), tick=False):
        set_price(symbol="ETHUSDT", price=D(3_200))
        place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.01")))
    monkeypatch.setattr("kpi.paths.fills.MOST_REPLAYED", 1)
    with time_machine.travel(now + timedelta(minutes=4), tick=False):
        chart = staff.get(reverse("account-path", args=[trader.account.pk])).json()
    opened = Position.objects.get(account=trader.account).opened_at.timestamp() * 1000
    filled = (now + timedelta(minutes=2)).timestamp() * 1000
    # Flat before the opening, not replayed until the last fill, since then what is held now.
    told = [(opened < point["at"] < filled, point["known"]) for point in chart["points"]]
    assert set(told) == {(True, False), (False, True)}
    assert D(chart["points"][-1]["ratio"]) == account_statement(user_id=trader.pk).margin_ratio
    assert f"not drawn at {told.count((True, False))} of {len(told)}" in " ".join(chart["notes"])


def test_a_chart_tells_where_positions_were_held_to_brackets(staff: Client, trader: User) -> None:
    """The beginner holds 0.1 of ETHUSDT: once its ladder is in force, at a maintenance of 0.05."""
    address = reverse("account-path", args=[trader.account.pk])
    assert staff.get(address).json()["by_brackets"] is False
    changes = {"margin_mode": "brackets", "maintenance_brackets": "ETHUSDT 90000: 0.05 20x"}
    change_policy(reason="A test", changes=changes)
    chart, statement = staff.get(address).json(), account_statement(user_id=trader.pk)
    assert chart["by_brackets"] is True
    notional = sum(line.notional for line in statement.positions)
    expected = statement.equity / (notional * D("0.05"))
    assert D(chart["points"][-1]["cover"]) == round(expected, 8)


def test_an_instrument_shows_what_happened_to_it(staff: Client) -> None:
    instrument = Instrument.objects.get(symbol="BTCUSDT")
    halt_instrument(reason="A test", instrument=instrument)
    resume_instrument(reason="A test", instrument=instrument)
    configure_instrument(reason="A test", instrument=instrument, changes={"min_notional": D(2000)})
    for threshold in ("0.4", "0.3"):
        change_policy(reason="A test", changes={"liquidation_threshold": D(threshold)})
    chart = staff.get(addresses()["instrument-candles"] + "?interval=1h").json()
    told = {}
    for mark in chart["marks"]:
        told[mark["kind"]] = told.get(mark["kind"], "") + mark["text"] + "; "
    assert "Closed out 1 long position: 5 at 50,000" in told["close_out"]
    assert "Halted by its price collar: 1 of Local simulation" in told["halt"]
    assert "; Halted (A test); " in told["halt"]
    assert BEYOND_COLLAR not in told["halt"]  # the same halt once more
    assert "Released" in told["resume"]
    assert "Rules: min notional 5 → 2,000 (A test)" in told["limit"]
    assert "Risk policy: liquidation threshold 0.4 → 0.3 (A test)" in told["limit"]
    [candle] = [row for row in chart["candles"][-2:] if len(row) > 1][-1:]
    assert all(isinstance(price, str) for price in candle[1:])
    assert chart["earlier"] is False


def test_earlier_bars_are_a_further_answer(staff: Client) -> None:
    address = addresses()["instrument-candles"]
    with time_machine.travel(timezone.now() + timedelta(minutes=500), tick=False):
        newest = staff.get(address).json()
        assert (newest["candles"], newest["earlier"], newest["empty"]) == ([], True, "")
        earlier = staff.get(f"{address}?until={newest['since']}").json()
    assert earlier["candles"]
    assert earlier["earlier"] is False
    assert all(row[0] < newest["since"] for row in earlier["candles"])


def test_the_vendored_file_is_the_one_that_is_documented() -> None:
    file = VENDORED / "lightweight-charts.standalone.production.js"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest in CHARTS.read_text()
    assert b"TradingView Lightweight Charts\xe2\x84\xa2 v5.2.1" in file.read_bytes()[:200]
    assert "Apache License" in (VENDORED / "LICENSE").read_text()
    assert "https://www.tradingview.com/" in (VENDORED / "NOTICE").read_text()


def test_a_past_that_was_made_up_is_older_than_its_account(staff: Client, exchange: None) -> None:
    done = Liquidation.objects.latest("id")
    first = Order.objects.filter(account=done.account).earliest("id").created_at
    Account.objects.filter(pk=done.account_id).update(created_at=first + timedelta(hours=2))
    with time_machine.travel(first + timedelta(hours=3), tick=False):
        data = staff.get(addresses()["account-path"], {"window": "all"}).json()
    assert data["candles"][0][0] <= first.timestamp() * 1000
