"""The dashboard's first view says what needs attention, and that nothing does."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.services import resume_account
from kpi.dashboard.attention import Signs, concerns, read_signs
from kpi.dashboard.margin_ratios import MarginRatios
from kpi.models import Heartbeat
from market.kernel.pruning import Deadline
from market.kernel.states import TradingState
from market.models import Instrument
from market.services import halt_instrument, resume_instrument
from risk.engine import Intent
from risk.models import LeverageLimit
from risk.services import change_policy, set_trading_state
from tests.console import Clerk, D, quoted
from trading.models import Order
from trading.services import place_order
from trading.venues.kill import Scope, kill

CALM = Signs((), (), 0, timedelta(seconds=1), 0, 0)
TIERS = [
    LeverageLimit(tier="beginner", tier_state="REDUCING"),
    LeverageLimit(tier="advanced", tier_state="HALTED"),
]
BOUNDS = (D("0.5"), D("0.6"), D("0.75"))


def titles(
    *counts: int,
    signs: Signs = CALM,
    state: TradingState = TradingState.ACTIVE,
    share: float = 0.1,
) -> list[str]:
    ratios = MarginRatios(BOUNDS, counts or (0, 0, 0, 0), ())
    found = concerns(signs, ratios, state=state, exposure_share=share)
    return [concern.title for concern in found]


def test_nothing_needs_attention_where_all_is_well() -> None:
    assert titles(0, 0, 5, 3) == []


def test_each_sign_is_told_the_worst_first() -> None:
    assert titles(1, 2, 0, 0) == [
        "1 account below the close-out threshold",
        "2 accounts near close-out",
    ]
    assert titles(share=0.95) == ["Global exposure is at 95% of its threshold"]
    troubled = Signs((), (), 2, timedelta(minutes=3), 1, 3)
    assert titles(0, 1, 0, 0, signs=troubled, state=TradingState.HALTED) == [
        "The last ledger check found 1 difference",
        "The last verification of the audit trail found 3 differences",
        "No heartbeat for 3 minutes",
        "Trading is halted",
        "2 answers of a venue wait for staff",
        "1 account near close-out",
    ]
    reducing = replace(CALM, reducing=[Instrument(symbol="ETHUSDT", pk=2)], tiers=TIERS)
    assert titles(signs=reducing, state=TradingState.REDUCING) == [
        "Orders may only reduce",
        "ETHUSDT may only be reduced",
        "Tier beginner may only reduce",
        "Tier advanced is halted",
    ]
    assert "No heartbeat yet" in titles(signs=Signs((), (), 0, None, 0, 0))


def test_what_a_quote_halted_hides_nothing_that_staff_halted(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few are named; nor is one of those that are not named told as halted by staff."""
    monkeypatch.setattr("kpi.dashboard.attention.MOST_NAMED", 1)
    ethereum = Instrument.objects.get(symbol="ETHUSDT")
    quoted("BTCUSDT", "1")
    halt_instrument(instrument=ethereum, reason="A test")
    assert read_signs().halted_by_staff == [ethereum]
    quoted("ETHUSDT", "1")
    assert read_signs().halted_by_staff == []


def test_a_kill_that_left_orders_is_a_sign_until_its_state_is_loosened(
    staff: Client,
) -> None:
    resting = Order.objects.get(client_order_id="grid-7")
    ether, account = resting.instrument, resting.account
    scopes = [Scope(), Scope(account=account), Scope(instrument=ether)]
    acts = [
        kill(scope=scope, state=TradingState.REDUCING, reason="A test", deadline=Deadline(0))
        for scope in scopes
    ]
    assert read_signs().kills == acts[::-1]
    halt_instrument(instrument=ether, reason="A test")
    set_trading_state(state=TradingState.HALTED, reason="A test")
    assert read_signs().kills == acts[::-1], "what they set stands, and more"
    assert f"{acts[0]} is unfinished" in [one["title"] for one in attention(staff)]
    resume_account(account=account, reason="A test")
    assert read_signs().kills == [acts[2], acts[0]]
    resume_instrument(instrument=ether, reason="A test")
    set_trading_state(state=TradingState.ACTIVE, reason="A test")
    assert read_signs().kills == []


def test_an_account_that_the_throttle_holds_back_is_a_sign_until_staff_resume_it(
    staff: Client,
) -> None:
    change_policy(changes={"max_fills": 2}, reason="A test")
    account = Order.objects.get(client_order_id="grid-7").account
    orders = [Intent("ETHUSDT", is_buy=True, size=D("0.01")) for _ in range(2)]
    for intent in orders:
        assert place_order(user_id=account.user_id, intent=intent).denial is None
    told = f"{account} may only reduce after 2 fills in 60 s"
    [shown] = [one for one in attention(staff) if one["title"] == told]
    page = staff.get(shown["href"])
    assert "2 fills in 60 s" in page.content.decode()
    assert "2 fills in 60 s" in staff.get("/admin/accounts/account/").content.decode()
    resume_account(account=account, reason="A test")
    assert told not in [one["title"] for one in attention(staff)]


def attention(client: Client) -> list[dict[str, Any]]:
    return client.get("/admin/dashboard/data/").json()["attention"]


def test_what_staff_do_about_it_is_one_click_away(staff: Client, clerk: Clerk) -> None:
    quoted("BTCUSDT", "1")
    halt_instrument(reason="A test", instrument=Instrument.objects.get(symbol="ETHUSDT"))
    set_trading_state(state=TradingState.HALTED, reason="A test")
    Heartbeat.objects.all().delete()
    shown = attention(staff)
    assert [one["title"] for one in shown] == [
        "No heartbeat yet",
        "Trading is halted",
        "BTCUSDT waits for review",
        "1 answer of a venue waits for staff",
        "ETHUSDT is halted",
        "Latency of the API, p95",
    ]
    for one in shown:
        assert staff.get(one["href"]).status_code == 200
    assert [one["title"] for one in attention(clerk("view_riskpolicy"))] == ["Trading is halted"]
