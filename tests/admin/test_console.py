"""The staff console: every page opens, records stay as they are, actions do what they say."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.keys import identify
from accounts.models import Account, ApiKey, Transfer, User
from accounts.services import create_user
from kpi.services import record_heartbeat
from market.models import Instrument
from risk.engine import Intent
from risk.models import RiskPolicy
from trading.demo import seed_demo
from trading.manual_prices import set_price
from trading.models import Order, OrderStatus
from trading.services import place_order

D = Decimal
EDITED = {"User", "Group", "Account", "AccountPolicy", "RiskPolicy", "LeverageLimit", "Instrument"}
ADDED = {"User", "Group", "ApiKey", "Instrument", "LeverageLimit"}


@pytest.fixture
def trader(db: None) -> User:
    """A trader on a seeded exchange with orders, trades, a position and a liquidation."""
    seed_demo()
    user = User.objects.get(username="intermediate")
    place_order(user_id=user.pk, intent=Intent("BTCUSDT", True, D(5)))
    set_price(symbol="BTCUSDT", price=D(50_000))
    place_order(user_id=user.pk, intent=Intent("ETHUSDT", True, D("0.1"), price=D(3000)))
    other = User.objects.get(username="beginner")
    place_order(user_id=other.pk, intent=Intent("ETHUSDT", True, D("0.1"), price=D(3000)))
    place_order(user_id=other.pk, intent=Intent("ETHUSDT", False, D("0.1")))
    return other


@pytest.fixture
def staff(client: Client, trader: User) -> Client:
    """The console as the superuser of the demo sees it."""
    client.force_login(User.objects.get(username="admin"))
    return client


def pages() -> list[Any]:
    return [pytest.param(model, id=model.__name__) for model in admin.site._registry]


@pytest.mark.parametrize("model", pages())
def test_every_page_opens(staff: Client, model: Any) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.get(reverse(f"{name}_changelist")).status_code == 200
    assert staff.get(reverse(f"{name}_changelist"), {"q": "a"}).status_code in {200, 302}
    added = staff.get(reverse(f"{name}_add")).status_code
    assert added == (200 if model.__name__ in ADDED else 403)
    row = model.objects.first()
    if row is None:
        return
    page = reverse(f"{name}_change", args=[row.pk])
    assert staff.get(page).status_code == 200
    assert staff.get(reverse(f"{name}_delete", args=[row.pk])).status_code in (
        {200} if model.__name__ == "Group" else {403}
    )
    if model.__name__ not in EDITED:
        assert staff.post(page, {}).status_code == 403


def test_the_dashboard_shows_the_state_of_the_exchange(staff: Client) -> None:
    page = staff.get("/admin/").content.decode()
    for word in ("Global exposure", "Insurance fund", "Liquidations per hour", "BTCUSDT"):
        assert word in page
    assert not re.findall(r'(?:src|href)="https?://', page)


def test_an_empty_exchange_says_what_to_do(client: Client, db: None) -> None:
    client.force_login(User.objects.create_superuser("root"))
    assert "seed_demo" in client.get("/admin/").content.decode()


def test_lists_do_not_query_per_row(
    staff: Client, trader: User, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _ in range(10):
        place_order(user_id=trader.pk, intent=Intent("ETHUSDT", True, D("0.01")))
    for path in ("trading/order", "trading/trade", "accounts/transfer", "risk/position"):
        with django_assert_max_num_queries(14):
            staff.get(f"/admin/{path}/")


def test_outsiders_do_not_enter(client: Client, trader: User) -> None:
    client.force_login(trader)
    assert client.get("/admin/").status_code == 302
    User.objects.filter(pk=trader.pk).update(is_staff=True)
    client.force_login(User.objects.get(pk=trader.pk))
    assert client.get("/admin/trading/order/").status_code == 403
    assert client.get("/admin/accounts/user/").status_code == 403


def run(staff: Client, path: str, action: str, *keys: int) -> str:
    body = {"action": action, "_selected_action": [str(key) for key in keys]}
    return staff.post(f"/admin/{path}/", body, follow=True).content.decode()


def test_change_of_tier_stands_in_the_history(staff: Client, trader: User) -> None:
    run(staff, "accounts/user", "make_advanced", trader.pk)
    trader.refresh_from_db()
    assert trader.tier == "advanced"
    latest = trader.history.latest()
    assert (latest.tier, latest.history_user.username) == ("advanced", "admin")


def test_suspend_and_resume(staff: Client, trader: User) -> None:
    for action, suspended in (("suspend", True), ("resume", False)):
        run(staff, "accounts/account", action, trader.account.pk)
        assert Account.objects.get(user=trader).suspended is suspended


def test_halt_and_resume_an_instrument(staff: Client) -> None:
    btc = Instrument.objects.get(symbol="BTCUSDT")
    for action, halted in (("halt", True), ("resume", False)):
        run(staff, "market/instrument", action, btc.pk)
        assert Instrument.objects.get(pk=btc.pk).halted is halted
        assert btc.history.latest().halted is halted


def test_policy_is_edited_with_history(staff: Client) -> None:
    page = "/admin/risk/riskpolicy/1/change/"
    form = staff.get(page).context["adminform"].form
    body = {**{k: v for k, v in form.initial.items() if v is not None}, "trading_halted": "on"}
    assert staff.post(page, body).status_code == 302
    policy = RiskPolicy.objects.get()
    assert policy.trading_halted
    assert policy.history.latest().history_user.username == "admin"


def test_cancel_an_order(staff: Client) -> None:
    resting = Order.objects.filter(status=OrderStatus.NEW).latest("id")
    filled = Order.objects.filter(status=OrderStatus.FILLED).latest("id")
    page = run(staff, "trading/order", "cancel", resting.pk, filled.pk)
    assert Order.objects.get(pk=resting.pk).status == OrderStatus.CANCELED
    assert "Cancelled: 1." in page
    assert "not open any more" in page


def change_balance(staff: Client, trader: User, amount: str, reason: str) -> str:
    page = f"/admin/accounts/account/{trader.account.pk}/change/"
    answer = staff.post(page, {"amount": amount, "reason": reason}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_balance_change_is_a_transfer_with_a_reason(staff: Client, trader: User) -> None:
    before = Account.objects.get(user=trader).balance
    change_balance(staff, trader, "-12.5", "Correction of a test")
    transfer = Transfer.objects.latest("id")
    assert (transfer.kind, transfer.amount) == ("adjustment", D("12.5"))
    assert (transfer.reason, transfer.created_by.username) == ("Correction of a test", "admin")  # type: ignore[union-attr]
    assert Account.objects.get(user=trader).balance == before - D("12.5")


@pytest.mark.parametrize(
    ("amount", "reason", "complaint"),
    [
        ("5", "", "State a reason"),
        ("-1000000", "Too much", "lower than the amount"),
        ("0.000000001", "Too fine", "8 decimal places"),
        ("1e30", "Too large", "digits"),
    ],
)
def test_a_refused_balance_change_changes_nothing(
    staff: Client, trader: User, amount: str, reason: str, complaint: str
) -> None:
    before = Transfer.objects.count()
    assert complaint in change_balance(staff, trader, amount, reason)
    assert Transfer.objects.count() == before


def test_an_issued_key_is_shown_once_and_works(staff: Client, trader: User) -> None:
    answer = staff.post("/admin/accounts/apikey/add/", {"user": trader.pk, "label": "Notebook"})
    found = re.search(r'id="clear-key">([^<]+)<', answer.content.decode())
    assert found is not None
    assert identify(key=found[1]).label == "Notebook"
    assert found[1] not in staff.get("/admin/accounts/apikey/").content.decode()
    assert found[1] not in str(dict(staff.session)) + str(staff.cookies)
    run(staff, "accounts/apikey", "revoke", ApiKey.objects.latest("id").pk)
    assert ApiKey.objects.latest("id").revoked_at is not None


def test_a_new_user_gets_an_account(staff: Client) -> None:
    body = {
        "username": "carol",
        "usable_password": "false",
        "password1": "",
        "password2": "",
        "tier": "advanced",
    }
    assert staff.post("/admin/accounts/user/add/", body).status_code == 302
    assert Account.objects.get(user__username="carol").balance == D(100_000)


def test_only_a_superuser_hands_out_rights(client: Client, trader: User) -> None:
    clerk = create_user(username="clerk", password="clerk-password")
    clerk.is_staff = True
    clerk.save()
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    client.force_login(clerk)
    body = {"username": "clerk", "tier": "beginner", "is_active": "on", "is_superuser": "on"}
    client.post(f"/admin/accounts/user/{clerk.pk}/change/", body)
    clerk.refresh_from_db()
    assert not clerk.is_superuser


def test_passwords_cannot_be_tried_out(client: Client, db: None) -> None:
    """At a standing clock, so that all attempts fall into one window."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        statuses = [
            client.post("/admin/login/", {"username": "nobody", "password": "x"}).status_code
            for _ in range(11)
        ]
    assert statuses == [200] * 10 + [429]


def test_heartbeats_are_listed(staff: Client) -> None:
    record_heartbeat()
    assert staff.get("/admin/kpi/heartbeat/").status_code == 200
