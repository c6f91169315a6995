"""Records stay as they are, and lists cost the same however long they are."""

import html
import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Account, AccountPolicy, Transfer, User
from accounts.selectors import transferred_balance
from market.kernel.console.figures import fixed
from market.models import Instrument
from risk.engine import Intent
from risk.models import LeverageLimit, Position, RiskPolicy
from risk.selectors import price_collar
from risk.statement import position_lines
from tests.conftest import ApiClient
from tests.console import Clerk, D, save
from tests.each import each
from trading.models import Order
from trading.services import place_order
from trading.steps.by_hand import set_price

EDITED = {
    "User",
    "Group",
    "AccountPolicy",
    "RateLimit",
    "RiskPolicy",
    "LeverageLimit",
    "Instrument",
    "AlertRule",
}
ADDED = {"User", "Group", "ApiKey", "Instrument", "AlertRule"}
POLICIES = {"AccountPolicy", "RiskPolicy"}
ENDLESS = ["trading/order", "trading/trade", "accounts/transfer", "risk/position"]


def address(model: Any, page: str, *keys: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=keys)


@pytest.mark.parametrize("model", [RiskPolicy, AccountPolicy], ids=lambda model: model.__name__)
def test_every_limit_of_a_policy_can_be_changed(staff: Client, model: Any) -> None:
    page = staff.get(address(model, "change", model.objects.get().pk))
    states = {"trading_halted", "trading_reducing"}
    limits = {field.name for field in model._meta.fields} - {"id", *states}
    assert limits <= set(page.context["adminform"].form.fields)


def test_a_walk_of_the_console_is_one_endpoint_of_the_metrics(
    staff: Client, anonymous: ApiClient
) -> None:
    staff.get("/admin/")
    before = len(anonymous.get("/metrics").content)
    # With an endpoint a page, these few would already add twice what is allowed.
    for model in list(admin.site._registry)[::8]:
        staff.get(address(model, "changelist"))
        for page in ("change", "history", "delete"):
            staff.get(address(model, page, 1))
    metrics = anonymous.get("/metrics").content
    labels = set(re.findall(r'endpoint="(/admin/[^"]*)"', metrics.decode()))
    assert labels == {"/admin/{path}"}
    assert len(metrics) < before + 5_000


@each("model", admin.site._registry)
def test_records_are_neither_edited_nor_deleted(staff: Client, model: Any) -> None:
    row = model.objects.first()
    if row is None or model.__name__ == "Group":
        return
    assert staff.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()
    if model.__name__ not in ADDED:
        assert staff.post(address(model, "add"), {}).status_code == 403
    if model.__name__ not in EDITED:
        assert staff.post(address(model, "change", row.pk), {}).status_code == 403


def test_staff_without_permissions_see_no_model(clerk: Clerk) -> None:
    client = clerk()
    shown = client.get("/admin/")
    assert shown.status_code == 200
    lists = [address(model, "changelist") for model in admin.site._registry]
    assert [one for one in (*lists, reverse("days")) if f'href="{one}"' in shown.text] == []
    assert 'href="/docs"' in shown.text
    for model in admin.site._registry:
        answer = client.get(address(model, "changelist"), follow=True)
        assert answer.status_code == 403, model
        assert "lacks the permission" in answer.content.decode()


def test_an_app_s_own_page_lists_what_may_be_seen(staff: Client, clerk: Clerk) -> None:
    for client, alone in ((staff, False), (clerk("view_order"), True)):
        [app] = client.get("/admin/trading/").context["app_list"]
        assert "Orders" in {model["name"] for model in app["models"]}
        assert (len(app["models"]) == 1) == alone
        assert client.get("/admin/nothing/").status_code == 404
    assert client.get("/admin/risk/").status_code == 404


def test_others_do_not_enter(client: Client, trader: User) -> None:
    assert client.get("/admin/").status_code == 302
    client.force_login(trader)
    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/trading/order/").status_code == 302


@pytest.mark.parametrize("path", ENDLESS)
def test_a_longer_list_takes_no_more_queries(staff: Client, trader: User, path: str) -> None:
    with CaptureQueriesContext(connection) as before:
        staff.get(f"/admin/{path}/")
    for size in ("0.01", "0.02", "0.03"):
        for user in User.objects.filter(account__isnull=False):
            place_order(user_id=user.pk, intent=Intent("ETHUSDT", True, D(size)))
        set_price(symbol="ETHUSDT", price=D(3_200) + D(size))
    with CaptureQueriesContext(connection) as after:
        staff.get(f"/admin/{path}/")
    assert len(after) <= len(before) < 12


@pytest.mark.parametrize("path", [*ENDLESS, "market/pricetick", "trading/liquidation"])
def test_an_endless_list_is_not_counted(staff: Client, path: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.get(f"/admin/{path}/")
    assert not [q for q in queries.captured_queries if "COUNT(" in q["sql"].upper()]


def found(staff: Client, path: str, **parameters: str) -> list[int]:
    page = staff.get(f"/admin/{path}/", parameters)
    assert page.status_code == 200
    return [row.pk for row in page.context["cl"].result_list]


def test_orders_are_found_by_number_owner_and_client_order_id(staff: Client, trader: User) -> None:
    named = Order.objects.get(client_order_id="grid-7")
    assert found(staff, "trading/order", q=str(named.pk)) == [named.pk]
    assert found(staff, "trading/order", q="grid-7") == [named.pk]
    mine = set(Order.objects.filter(account=trader.account).values_list("pk", flat=True))
    assert set(found(staff, "trading/order", q="BEGINN")) == mine
    assert set(found(staff, "trading/order", account__id__exact=str(trader.account.pk))) == mine
    for nonsense in ("9" * 40, "²", "nobody", "-1", "'"):
        assert found(staff, "trading/order", q=nonsense) == []


def test_transfers_are_found_from_both_sides(staff: Client) -> None:
    transfers = set(found(staff, "accounts/transfer", q="intermediate"))
    account = Account.objects.get(user__username="intermediate")
    sides = Transfer.objects.filter(debit_account=account).values_list("pk", flat=True)
    assert sides
    assert set(sides) < transfers


def test_orders_are_filtered_by_day_and_reject_code(staff: Client) -> None:
    order = Order.objects.latest("id")
    day = f"{order.created_at:%Y-%m-%d}"
    every = set(Order.objects.values_list("pk", flat=True))
    name = "created_at"
    whole_day = {f"{name}_from": day, f"{name}_to": day}
    assert set(found(staff, "trading/order", **whole_day)) == every
    assert found(staff, "trading/order", **{f"{name}_to": "2020-01-01"}) == []
    assert set(found(staff, "trading/order", **{f"{name}_from": "no day"})) == every
    refused = list(Order.objects.exclude(reject_code="").values_list("pk", "reject_code"))
    [(key, code)] = refused
    assert found(staff, "trading/order", reject_code=code) == [key]


def test_an_account_shows_what_it_is_worth(staff: Client, trader: User) -> None:
    page = staff.get(f"/admin/accounts/account/{trader.account.pk}/change/").content.decode()
    for text in ("Available margin", "10,000.00", "ETHUSDT", "64.00", "Opening balance"):
        assert text in page
    [refused] = re.findall(r'href="([^"]*)">Refused<', page)
    listed = staff.get(html.unescape(refused)).context["cl"].result_list
    assert {row.pk for row in listed} == set(
        Order.objects.filter(account=trader.account, status="REJECTED").values_list("pk", flat=True)
    )
    assert listed
    fund = Account.objects.get(kind="insurance")
    assert "75,000.00" in staff.get(f"/admin/accounts/account/{fund.pk}/change/").content.decode()
    listed = staff.get("/admin/accounts/account/").content.decode()
    for account in Account.objects.filter(user=None):
        held = fixed(transferred_balance(account_id=account.pk), 2)
        assert held in listed, account


def test_a_position_shows_what_it_comes_to(staff: Client, trader: User) -> None:
    position = Position.objects.get(account=trader.account, status="OPEN")
    page = staff.get(f"/admin/risk/position/{position.pk}/change/").content.decode()
    [line] = position_lines([position])
    assert line.liquidation_price is None or f"{line.liquidation_price:,.2f}" in page
    for text in ("Liquidation price", "Effective leverage of the account", "3,200.00", "320.00"):
        assert text in page, text


def test_policies_are_edited_with_history(staff: Client) -> None:
    page = save(
        staff, "/admin/risk/riskpolicy/1/change/", liquidation_threshold="0.6", trading_halted="on"
    )
    assert "changed successfully" in page
    policy = RiskPolicy.objects.get()
    assert (policy.liquidation_threshold, policy.trading_halted) == (D("0.6"), False)
    latest = policy.history.latest()
    assert (latest.liquidation_threshold, latest.history_user.username) == (D("0.6"), "admin")
    save(staff, "/admin/accounts/accountpolicy/1/change/", opening_balance="7")
    save(staff, "/admin/risk/leveragelimit/beginner/change/", max_leverage="3")
    assert AccountPolicy.objects.get().history.latest().opening_balance == 7
    assert LeverageLimit.objects.get(tier="beginner").history.latest().max_leverage == 3


def test_the_price_collar_is_edited_for_all_and_for_one_instrument(staff: Client) -> None:
    save(staff, "/admin/risk/riskpolicy/1/change/", price_collar="0.2")
    assert RiskPolicy.objects.get().price_collar == D("0.2")
    btc = Instrument.objects.get(symbol="BTCUSDT")
    page = f"/admin/market/instrument/{btc.pk}/change/"
    assert price_collar(instrument=btc) == D("0.2")
    save(staff, page, price_collar="0.1")
    assert price_collar(instrument=Instrument.objects.get(pk=btc.pk)) == D("0.1")
    assert "positive share" in save(staff, page, price_collar="0")
    assert "positive share" in save(staff, "/admin/risk/riskpolicy/1/change/", price_collar="-1")
    save(staff, page, price_collar="")
    assert Instrument.objects.get(pk=btc.pk).price_collar is None
    assert RiskPolicy.objects.get().price_collar == D("0.2")


def test_a_former_state_is_shown_and_not_restored(staff: Client) -> None:
    save(staff, "/admin/risk/riskpolicy/1/change/", liquidation_threshold="0.6")
    save(staff, "/admin/risk/riskpolicy/1/change/", liquidation_threshold="0.7")
    policy = RiskPolicy.objects.get()
    former = policy.history.get(liquidation_threshold=D("0.6")).pk
    page = f"/admin/risk/riskpolicy/1/history/{former}/"
    shown = staff.get(page).content.decode()
    assert "Liquidation threshold: 0.5 → " in shown
    assert 'id="riskpolicy_form"' not in shown
    assert 'name="liquidation_threshold"' not in shown
    assert staff.post(page, {"liquidation_threshold": "0.6"}).status_code == 405
    assert RiskPolicy.objects.get().liquidation_threshold == D("0.7")


def test_a_bad_limit_is_a_message(staff: Client) -> None:
    page = save(staff, "/admin/risk/riskpolicy/1/change/", liquidation_fee_rate="1")
    assert "Please correct the error" in page


def test_rules_of_an_instrument_change_and_its_mark_does_not(staff: Client) -> None:
    btc = Instrument.objects.get(symbol="BTCUSDT")
    with CaptureQueriesContext(connection) as queries:
        save(staff, f"/admin/market/instrument/{btc.pk}/change/", tick_size="0.001", symbol="X")
    updates = [
        q["sql"] for q in queries.captured_queries if q["sql"].startswith('UPDATE "market_instru')
    ]
    assert updates
    assert not any("mark_price" in update.split("WHERE")[0] for update in updates)
    btc.refresh_from_db()
    assert (btc.tick_size, btc.symbol) == (D("0.001"), "BTCUSDT")
    assert btc.history.latest().tick_size == D("0.001")


def test_a_step_does_not_become_coarser(staff: Client) -> None:
    btc = Instrument.objects.get(symbol="BTCUSDT")
    page = save(staff, f"/admin/market/instrument/{btc.pk}/change/", lot_size="0.1")
    assert "may only be divided" in page
    assert Instrument.objects.get(pk=btc.pk).lot_size == btc.lot_size


def test_an_instrument_is_listed(staff: Client) -> None:
    rules = {"tick_size": "0.01", "lot_size": "0.1", "min_notional": "5"}
    fees = {"maker_fee_rate": "0", "taker_fee_rate": "0.001"}
    page = "/admin/market/instrument/add/"
    body = {"symbol": "SOLUSDT", "base_asset": "SOL", "reason": "A test", **rules, **fees}
    assert staff.post(page, body).status_code == 302
    listed = Instrument.objects.get(symbol="SOLUSDT")
    assert (listed.taker_fee_rate, listed.history.count()) == (D("0.001"), 1)
    assert staff.post(page, body).status_code == 200


def test_nothing_is_fetched_from_outside(staff: Client, trader: User) -> None:
    pages = ["/admin/", "/admin/trading/order/", f"/admin/accounts/user/{trader.pk}/change/"]
    for page in pages:
        html = staff.get(page).content.decode()
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', html)


def test_a_missing_page_is_a_page(staff: Client) -> None:
    answer = staff.get("/admin/no/such/")
    assert answer.status_code == 404
    assert "Back to the dashboard" in answer.content.decode()
    assert staff.get("/admin/trading/order/x/change/").status_code == 404
    assert staff.get("/no/such").json()["code"] == "not_found"


def test_an_order_shows_the_digits_that_it_was_refused_for(staff: Client, trader: User) -> None:
    for size in (D("0.1"), D("0.0031459")):
        place_order(user_id=trader.pk, intent=Intent("BTCUSDT", True, size))
    page = staff.get("/admin/trading/order/").content.decode()
    assert ">0.0031459<" in page
    assert re.search(r">0\.10+<", page)


def test_orders_are_sorted_by_what_an_index_sorts_by(
    staff: Client, trader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = admin.site.get_model_admin(Order)
    monkeypatch.setattr(page, "list_per_page", 2)
    columns = staff.get("/admin/trading/order/").context["cl"].list_display
    for entry, field in page.seeks_by.items():
        column = columns.index(entry)
        for sign, forward in (("", True), ("-", False)):
            expected = [field, "-pk"] if forward else [f"-{field}", "pk"]
            if field == "pk":
                expected = ["pk"] if forward else ["-pk"]
            keys = list(Order.objects.order_by(*expected).values_list("pk", flat=True))
            first = f"?o={sign}{column}"
            assert walked(staff, first, "Older", "Next") == keys, (field, sign)
            last = staff.get(f"/admin/trading/order/{first}&above=0").context["cl"]
            assert [row.pk for row in last.result_list] == keys[-2:]


def walked(staff: Client, query: str | None, *links: str) -> list[int]:
    """Return the orders of a list, page by page to its end."""
    found: list[int] = []
    while query is not None:
        shown = staff.get(f"/admin/trading/order/{query}").context["cl"]
        found += [row.pk for row in shown.result_list]
        query = next((shown.pages[link] for link in links if link in shown.pages), None)
    return found
