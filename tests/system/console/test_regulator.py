"""A regulator sees everything and changes nothing, in the console and over the API."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts.access import REGULATORS
from accounts.models import Account, Transfer, User
from kpi.audit.chain import HASHED, record_hash
from kpi.models import Alert
from market.models import MarketClock
from tests.conftest import ApiClient, ClientOf
from tests.console import press
from tests.each import undone_case
from tests.system.console.test_pages import POLICIES, address
from tests.trading.admin.test_actions import EVERY_FIELD, addresses
from trading.models import Order

pytestmark = pytest.mark.django_db

OUR_APPS = {"market", "accounts", "risk", "trading", "kpi"}
BUTTONS = {
    "accounts/user": ["make_beginner", "make_advanced", "delete_selected"],
    "accounts/apikey": ["revoke_selected"],
    "accounts/account": ["suspend_selected", "resume_selected"],
    "market/instrument": ["halt_selected", "resume_selected"],
    "trading/order": ["cancel_selected"],
    "kpi/alert": ["acknowledge_selected"],
}


@pytest.fixture
def regulator(exchange: None) -> User:
    return User.objects.get(username="regulator")


@pytest.fixture
def console(client: Client, regulator: User) -> Client:
    client.force_login(regulator)
    return client


@pytest.fixture
def api(regulator: User, client_of: ClientOf) -> ApiClient:
    return client_of(regulator)


def standing() -> tuple[object, ...]:
    """Return what an action of staff would change."""
    return (
        Transfer.objects.count(),
        MarketClock.objects.get().steps,
        LogEntry.objects.count(),
        sorted(Order.objects.values_list("id", "status")),
        sorted(User.objects.values_list("id", "tier", "is_active", "is_staff")),
        Account.objects.filter(suspended=True).count(),
        Alert.objects.filter(acknowledged_at=None).count(),
    )


def test_the_group_views_every_model_of_ours_and_nothing_else() -> None:
    granted = set(
        Group.objects.get(name=REGULATORS).permissions.values_list(
            "content_type__app_label", "codename"
        )
    )
    ours = {
        (model._meta.app_label, f"view_{model._meta.model_name}")
        for model in apps.get_models()
        if model._meta.app_label in OUR_APPS and "view" in model._meta.default_permissions
    }
    assert granted == ours | {("auth", "view_group"), ("admin", "view_logentry")}


def test_the_demo_has_a_regulator_after_the_admin() -> None:
    call_command("seed_demo", verbosity=0)
    names = User.objects.order_by("id").values_list("username", flat=True)
    assert list(names) == ["beginner", "intermediate", "advanced", "admin", "regulator"]
    regulator = User.objects.get(username="regulator")
    assert regulator.check_password("admin")
    assert (regulator.is_staff, regulator.is_superuser) == (True, False)
    assert not Account.objects.filter(user=regulator).exists()


def test_every_page_opens_and_no_form_saves(console: Client) -> None:
    for model in admin.site._registry:
        listed = 302 if model.__name__ in POLICIES else 200
        assert console.get(address(model, "changelist")).status_code == listed, model
        assert console.get(address(model, "add")).status_code == 403, model
        assert console.post(address(model, "add"), EVERY_FIELD).status_code == 403, model
        row = model.objects.first()
        if row is not None:
            page = address(model, "change", row.pk)
            assert console.get(page).status_code == 200, model
            assert console.post(page, EVERY_FIELD).status_code == 403, model
            delete = address(model, "delete", row.pk)
            assert console.post(delete, {"post": "yes"}).status_code == 403, model


def test_no_action_is_open(console: Client, trader: User) -> None:
    before = standing()
    for url in addresses(trader):
        assert console.get(url).status_code == 403, url
        assert console.post(url, EVERY_FIELD).status_code == 403, url
    alert = Alert.objects.get()
    acknowledge = address(Alert, "acknowledge", alert.pk)
    assert console.post(acknowledge, EVERY_FIELD).status_code == 403
    password = f"/admin/accounts/user/{trader.pk}/password/"
    assert console.post(password, EVERY_FIELD).status_code == 403
    assert standing() == before


def test_no_action_on_selected_rows_is_open(console: Client) -> None:
    before = standing()
    for path, actions in BUTTONS.items():
        model = apps.get_model(path.replace("/", "."))
        keys = [str(key) for key in model.objects.values_list("pk", flat=True)[:5]]
        for action in actions:
            console.post(f"/admin/{path}/", {"action": action, "_selected_action": keys})
    assert standing() == before


def test_no_button_is_shown(console: Client, trader: User) -> None:
    page = console.get(f"/admin/accounts/account/{trader.account.pk}/change/").content.decode()
    assert "Adjust balance" not in page
    assert "Halt trading" not in console.get("/admin/").content.decode()


def test_the_api_shows_everybodys_data(api: ApiClient, trader: User) -> None:
    everybody = set(Order.objects.values_list("account__user_id", flat=True))
    shown = {order["user_id"] for order in api.get("/orders?page_size=500").json()["results"]}
    assert shown == everybody
    for path in ("/trades", "/positions", "/liquidations", f"/account/{trader.pk}"):
        assert api.get(path).status_code == 200, path


def unsafe_operations() -> list[tuple[str, str]]:
    """Return every call of the schema that is no mere read and wants a token."""
    generator = SchemaGenerator()
    paths = generator.get_schema(request=None, public=True)["paths"]
    return [
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if method not in {"get", "head", "options"} and path != "/auth/token"
    ]


def test_a_regulator_runs_no_unsafe_operation(api: ApiClient) -> None:
    calls = unsafe_operations()
    assert {("post", "/orders"), ("post", "/market/tick")} <= set(calls)
    for method, path in calls:
        with undone_case():
            refuse(api, method, path)


def refuse(api: ApiClient, method: str, path: str) -> None:
    order = Order.objects.get(client_order_id="grid-7")
    before = standing()
    address = path.format(order_id=order.pk, user_id=order.account.user_id, symbol="BTCUSDT")
    for body in ({}, {"symbol": "ETHUSDT", "side": "buy", "size": "0.1"}, {"orders": []}):
        for query in ("", "?symbol=BTCUSDT", f"?user_id={order.account.user_id}"):
            answer = getattr(api, method)(address + query, body)
            found = (answer.status_code, answer.json()["code"])
            assert found == (403, "permission_denied"), (method, path, query, body)
    assert standing() == before, (method, path)


def test_the_api_takes_no_order_of_a_regulator(api: ApiClient, trader: User) -> None:
    before = standing()
    order = {"symbol": "ETHUSDT", "side": "buy", "size": "0.1"}
    for body in (order, {**order, "user_id": trader.pk}):
        assert api.post("/orders", body).json()["code"] == "permission_denied"
        assert api.post("/orders/batch", {"orders": [body]}).status_code == 403
    resting = Order.objects.get(client_order_id="grid-7")
    for query in ("", f"?user_id={resting.account.user_id}"):
        assert api.post(f"/orders/{resting.pk}/cancel{query}").status_code == 403
    assert standing() == before


def test_a_trader_who_becomes_regulator_trades_no_more(trader: User, client_of: ClientOf) -> None:
    client = client_of(trader)
    trader.is_staff = True
    trader.save(update_fields=["is_staff"])
    trader.groups.add(Group.objects.get(name=REGULATORS))
    order, before = {"symbol": "ETHUSDT", "side": "buy", "size": "0.1"}, standing()
    assert client.post("/orders", order).status_code == 403
    assert client.post("/orders/batch", {"orders": [order]}).status_code == 403
    assert standing() == before


def test_the_trail_is_for_staff_and_regulators(
    api: ApiClient, trader: User, client_of: ClientOf
) -> None:
    assert api.get("/audit").status_code == 200
    answer = client_of(trader).get("/audit")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    clerk = User.objects.create_user("clerk", is_staff=True)
    assert client_of(clerk).get("/audit").status_code == 200


def test_the_trail_is_filtered_and_turns_pages(api: ApiClient, trader: User) -> None:
    page = api.get("/audit?page_size=3").json()
    sequences = [record["sequence"] for record in page["results"]]
    assert sequences == sorted(sequences, reverse=True)
    following = api.get(page["next"]).json()["results"]
    assert following[0]["sequence"] == sequences[-1] - 1
    kinds = {r["kind"] for r in api.get("/audit?kind=liquidation").json()["results"]}
    assert kinds == {"liquidation"}
    users = {r["user_id"] for r in api.get(f"/audit?user_id={trader.pk}").json()["results"]}
    assert users == {trader.pk}
    assert api.get("/audit?since=2100-01-01T00:00:00Z").json()["results"] == []
    assert api.get("/audit?until=2000-01-01T00:00:00Z").json()["results"] == []
    for query in ("kind=gift", f"user_id={10**30}", "user_id=x", "since=noon"):
        assert api.get(f"/audit?{query}").json()["code"] == "validation_error", query


def test_an_answer_can_be_verified(api: ApiClient) -> None:
    previous = None
    for record in reversed(api.get("/audit?page_size=500").json()["results"]):
        assert record_hash({name: record[name] for name in HASHED}) == record["hash"]
        assert previous in (None, record["previous_hash"])
        previous = record["hash"]
    assert previous is not None


def test_staff_presses_and_the_regulator_reads(
    client: Client, api: ApiClient, trader: User
) -> None:
    client.force_login(User.objects.get(username="admin"))
    press(client, "accounts_account_adjust", trader.account.pk, amount="-5", reason="Fee")
    kinds = [r["kind"] for r in api.get(f"/audit?user_id={trader.pk}").json()["results"][:2]]
    assert kinds == ["staff_action", "balance_change"]
