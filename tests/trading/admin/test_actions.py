"""Each action asks first, does what it says once, leaves a trace, and is refused to others."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, Transfer, User
from accounts.selectors import insurance_fund_balance
from kpi.lab.models import LabStudy
from market.kernel.console import bulk
from market.models import Instrument, MarketClock
from risk.models import RiskPolicy
from risk.services import change_policy, lock_exposure
from tests.console import Clerk, D, press, select, shown_version
from tests.each import each
from trading.models import Liquidation, Order, OrderStatus, ParkedAnswer

ROW_ACTIONS = {
    "user": ["accounts_user_change_tier", "accounts_user_revoke_keys"],
    "key": [f"accounts_apikey_{action}" for action in ("change_terms", "rotate", "revoke")],
    "account": [
        f"accounts_account_{action}"
        for action in ("deposit", "withdraw", "adjust", "suspend", "reduce", "resume")
    ],
    "policy": [f"risk_riskpolicy_{action}" for action in ("halt", "reduce", "resume")],
    "limit": [f"risk_leveragelimit_{action}" for action in ("halt", "reduce", "resume")],
    "instrument": [
        "market_instrument_halt",
        "market_instrument_reduce",
        "market_instrument_resume",
        "market_instrument_release",
    ],
    "order": ["trading_order_cancel"],
    "study": ["kpi_labstudy_put_in_force"],
    "parked": [f"trading_parkedanswer_{action}" for action in ("book", "release", "adjust")],
}
LIST_ACTIONS = [
    "accounts_account_fund_insurance",
    "market_marketclock_run_step",
    "market_marketclock_set_price",
    "trading_kill_start",
    "trading_liquidation_sweep",
]
EVERY_FIELD = {
    "_form_submitted": "on",
    "amount": "5",
    "reason": "x",
    "tier": "advanced",
    "price": "1",
    "size": "1",
    "scopes": "read",
    "overlap": "1",
    "scope": "everybody",
    "state": "HALTED",
}


def addresses(trader: User) -> list[str]:
    """Return the address of every action, each on a row that it could act on."""
    keys = {
        "user": trader.pk,
        "key": trader.api_keys.get().pk,
        "account": trader.account.pk,
        "policy": 1,
        "limit": "beginner",
        "instrument": Instrument.objects.get(symbol="BTCUSDT").pk,
        "order": Order.objects.get(client_order_id="grid-7").pk,
        "parked": ParkedAnswer.objects.get().pk,
        "study": LabStudy.objects.get().pk,
    }
    of_rows = [
        reverse(f"admin:{action}", args=[keys[row]])
        for row, actions in ROW_ACTIONS.items()
        for action in actions
    ]
    return [*of_rows, *(reverse(f"admin:{action}") for action in LIST_ACTIONS)]


def log_of(row: object) -> str:
    """Return the last line of the staff log, which is about ``row``."""
    entry = LogEntry.objects.latest("id")
    assert (entry.object_repr, entry.user.username) == (str(row), "admin")
    return entry.get_change_message()


def test_actions_need_their_permission(clerk: Clerk, trader: User) -> None:
    client = clerk("view_user", "view_account", "view_order", "view_instrument", "view_riskpolicy")
    for url in addresses(trader):
        assert client.get(url).status_code == 403, url
        assert client.post(url, EVERY_FIELD).status_code == 403, url
    assert not LogEntry.objects.exists()


def test_actions_ask_first(staff: Client, trader: User) -> None:
    steps, transfers = MarketClock.objects.get().steps, Transfer.objects.count()
    for url in addresses(trader):
        assert 'id="dialog"' in staff.get(url, EVERY_FIELD).content.decode(), url
    assert (MarketClock.objects.get().steps, Transfer.objects.count()) == (steps, transfers)
    assert not LogEntry.objects.exists()


def test_an_action_on_nothing_is_not_found(staff: Client) -> None:
    url = reverse("admin:trading_order_cancel", args=[10**9])
    assert staff.post(url, {"_form_submitted": "on"}).status_code == 404


def test_the_dialog_leads_back_to_its_page(staff: Client) -> None:
    url = reverse("admin:risk_riskpolicy_halt", args=[1])
    body = {"_form_submitted": "on", "reason": "A test"}
    here = "http://testserver/admin/market/instrument/"
    headers = {"HX-Request": "true", "HX-Current-URL": here}
    assert staff.post(url, body, headers=headers)["HX-Redirect"] == here
    elsewhere = {"HX-Request": "true", "HX-Current-URL": "https://example.org/admin/"}
    assert staff.post(url, body, headers=elsewhere)["HX-Redirect"] == "/admin/"


def test_change_of_tier_stands_in_the_history(staff: Client, trader: User) -> None:
    version = shown_version(staff, "accounts_user_change_tier", trader.pk)
    page = press(staff, "accounts_user_change_tier", trader.pk, tier="advanced", version=version)
    assert "beginner is now Advanced." in page
    trader.refresh_from_db()
    latest = trader.history.latest()
    assert (trader.tier, latest.tier, latest.history_user.username) == (
        "advanced",
        "advanced",
        "admin",
    )
    assert log_of(trader) == "beginner is now Advanced. Reason: A test"
    press(staff, "accounts_user_change_tier", trader.pk, tier="emperor")
    select(staff, "accounts/user", "make_intermediate", trader.pk)
    assert User.objects.get(pk=trader.pk).tier == "intermediate"


@each(
    ("action", "amount", "kind", "change"),
    [
        ("deposit", "12.5", "deposit", "12.5"),
        ("withdraw", "12.5", "withdrawal", "-12.5"),
        ("adjust", "12.5", "adjustment", "12.5"),
        ("adjust", "-12.5", "adjustment", "-12.5"),
    ],
)
def test_a_balance_change_is_a_transfer_with_a_reason(
    staff: Client, trader: User, action: str, amount: str, kind: str, change: str
) -> None:
    account = Account.objects.get(user=trader)
    button = f"accounts_account_{action}"
    press(staff, button, account.pk, amount=amount, reason="Correction of a test")
    transfer = Transfer.objects.latest("id")
    assert (transfer.kind, transfer.amount) == (kind, D("12.5"))
    assert transfer.reason == "Correction of a test"
    assert transfer.created_by == User.objects.get(username="admin")
    assert Account.objects.get(pk=account.pk).balance == account.balance + D(change)
    assert "12.50 USDT" in log_of(account)


@each(
    ("action", "amount", "reason", "complaint"),
    [
        ("adjust", "5", "", "This field is required"),
        ("adjust", "5", "   ", "This field is required"),
        ("adjust", "", "No amount", "This field is required"),
        ("adjust", "0", "Nothing", "An amount is positive"),
        ("adjust", "-1000000", "Too much", "lower than the amount"),
        ("withdraw", "1000000", "Too much", "lower than the amount"),
        ("deposit", "-5", "Negative", "An amount is positive"),
        ("deposit", "1000000000000", "Too large", "An amount is positive"),
        ("adjust", "0.000000001", "Too fine", "8 decimal places"),
        ("adjust", "1e30", "Too large", "digits"),
        ("adjust", "NaN", "No number", "Enter a number"),
    ],
)
def test_a_refused_balance_change_changes_nothing(
    staff: Client, trader: User, action: str, amount: str, reason: str, complaint: str
) -> None:
    before = Transfer.objects.count()
    button = f"accounts_account_{action}"
    page = press(staff, button, trader.account.pk, amount=amount, reason=reason)
    assert complaint in page
    assert (Transfer.objects.count(), LogEntry.objects.count()) == (before, 0)


def test_a_system_account_is_not_adjusted(staff: Client) -> None:
    house = Account.objects.get(kind="house")
    url = reverse("admin:accounts_account_adjust", args=[house.pk])
    assert staff.post(url, EVERY_FIELD).status_code == 403


def test_fund_insurance(staff: Client) -> None:
    before = insurance_fund_balance()
    press(staff, "accounts_account_fund_insurance", amount="250", reason="More capital")
    assert insurance_fund_balance() == before + 250
    assert Transfer.objects.latest("id").created_by == User.objects.get(username="admin")


def test_suspend_and_resume_an_account(staff: Client, trader: User) -> None:
    account = trader.account
    for action, suspended, said in (
        ("suspend", True, "The account of beginner is suspended."),
        ("resume", False, "The account of beginner trades again."),
    ):
        press(staff, f"accounts_account_{action}", account.pk)
        assert Account.objects.get(pk=account.pk).suspended is suspended
        assert log_of(account) == f"{said} Reason: A test"
        select(staff, "accounts/account", f"{action}_selected", account.pk)
        assert Account.objects.get(pk=account.pk).suspended is suspended
    assert log_of(account) == "Resumed. Reason: A test"


def test_an_account_that_the_throttle_holds_back_says_what_was_counted(
    staff: Client, trader: User
) -> None:
    page = reverse("admin:accounts_account_change", args=[trader.account.pk])
    assert "Throttled" not in staff.get(page).content.decode()
    Account.objects.filter(user=trader).update(reducing=True, throttled="3 fills in 10 s")
    held_back = staff.get(page).content.decode()
    assert "Throttled" in held_back
    assert "3 fills in 10 s" in held_back


def test_halt_and_resume_trading(staff: Client) -> None:
    assert "Halt trading" in staff.get("/admin/").content.decode()
    press(staff, "risk_riskpolicy_halt", 1)
    press(staff, "risk_riskpolicy_halt", 1)
    page = staff.get("/admin/").content.decode()
    assert "Trading halted" in page
    assert "Resume trading" in page
    policy = RiskPolicy.objects.get()
    assert policy.trading_halted
    assert [record.trading_halted for record in policy.history.all()] == [True, False]
    press(staff, "risk_riskpolicy_resume", 1)
    assert not RiskPolicy.objects.get().trading_halted


def test_halt_and_resume_an_instrument(staff: Client) -> None:
    btc = Instrument.objects.get(symbol="BTCUSDT")
    for action, halted in (("halt", True), ("resume", False)):
        press(staff, f"market_instrument_{action}", btc.pk)
        assert Instrument.objects.get(pk=btc.pk).halted is halted
        assert btc.history.latest().halted is halted
        select(staff, "market/instrument", f"{action}_selected", btc.pk)
        assert Instrument.objects.get(pk=btc.pk).halted is halted


def test_cancel_an_order(staff: Client) -> None:
    order = Order.objects.get(client_order_id="grid-7")
    assert "Cancel order" in staff.get(f"/admin/trading/order/{order.pk}/change/").content.decode()
    press(staff, "trading_order_cancel", order.pk)
    order.refresh_from_db()
    assert (order.status, order.reserved_margin) == (OrderStatus.CANCELED, 0)
    assert "not open any more" in press(staff, "trading_order_cancel", order.pk)


def test_cancel_selected_orders(staff: Client) -> None:
    resting = Order.objects.get(client_order_id="grid-7")
    filled = Order.objects.filter(status=OrderStatus.FILLED).latest("id")
    page = select(staff, "trading/order", "cancel_selected", resting.pk, filled.pk)
    assert Order.objects.get(pk=resting.pk).status == OrderStatus.CANCELED
    assert "1 order canceled." in page
    assert "not open any more" in page


def test_more_rows_than_an_action_takes_are_left_alone(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_SELECTED", 1)
    resting = Order.objects.get(client_order_id="grid-7")
    filled = Order.objects.filter(status=OrderStatus.FILLED).latest("id")
    page = select(staff, "trading/order", "cancel_selected", resting.pk, filled.pk)
    assert "Select 1 at most" in page
    assert Order.objects.get(pk=resting.pk).status == OrderStatus.NEW
    assert "1 order canceled." in select(staff, "trading/order", "cancel_selected", resting.pk)


def test_run_a_market_step(staff: Client, settings: Any) -> None:
    settings.PRICE_SOURCES = ["simulation"]
    before = MarketClock.objects.get().steps
    assert "2 prices" in press(staff, "market_marketclock_run_step")
    assert MarketClock.objects.get().steps == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_market_step_that_could_not_set_a_mark_is_told_as_an_error(
    staff: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PRICE_SOURCES = ["simulation"]
    monkeypatch.setattr("trading.admin.clock.PATIENCE", 0.5)
    monkeypatch.setattr("trading.booking.isolation.PATIENCE", 0.2)
    eth = Instrument.objects.get(symbol="ETHUSDT")
    held, done = Event(), Event()

    def hold() -> None:
        with closing(connection), transaction.atomic():
            lock_exposure(instrument_ids=[eth.pk])
            held.set()
            assert done.wait(timeout=60)

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert held.wait(timeout=60)
        try:
            address = reverse("admin:market_marketclock_run_step")
            page = staff.post(address, {"_form_submitted": "on"}, follow=True)
        finally:
            done.set()
        holder.result(timeout=60)
    [told] = page.context["messages"]
    assert told.level_tag == "error"
    assert ": 1 price" in str(told)
    assert str(told).endswith(
        "Not set because another session keeps it locked: mark price of ETHUSDT."
    )
    assert log_of("clock") == "run step"


def test_set_a_mark_price(staff: Client) -> None:
    eth = Instrument.objects.get(symbol="ETHUSDT")
    button = "market_marketclock_set_price"
    page = press(staff, button, instrument=str(eth.pk), price="3000")
    assert "1 order filled" in page
    assert Instrument.objects.get(pk=eth.pk).mark_price == 3000
    assert "0.01" in press(staff, button, instrument=str(eth.pk), price="3000.001")
    assert Instrument.objects.get(pk=eth.pk).mark_price == 3000


def test_run_a_liquidation_sweep(staff: Client) -> None:
    before = Liquidation.objects.count()
    assert "Sweep done, 0 accounts closed out." in press(staff, "trading_liquidation_sweep")
    change_policy(reason="A test", changes={"liquidation_threshold": D(10_000)})
    assert "Sweep done, 1 account closed out." in press(staff, "trading_liquidation_sweep")
    assert Liquidation.objects.count() == before + 1
