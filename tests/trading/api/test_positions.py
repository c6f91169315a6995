"""Positions over HTTP: one by its id, and its end in one call."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account, User
from accounts.services import suspend_account
from market.kernel.states import TradingState
from market.models import Instrument
from risk.maintenance import BRACKETS, INITIAL_SHARE
from risk.services import change_policy, set_trading_state
from tests.each import each
from tests.trading.conftest import Marks, Trader, order, state_of
from trading.models import Order

ClientOf = Callable[[User], APIClient]


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def test_a_position_is_found_by_its_id_open_and_closed(api: APIClient, user: User) -> None:
    order(user, "buy", "0.1")
    [listed] = api.get("/positions").json()["results"]
    path = f"/positions/{listed['position_id']}"
    assert api.get(path).json() == listed
    order(user, "sell", "0.1")
    closed = api.get(path).json()
    assert (closed["status"], closed["quantity"]) == ("CLOSED", "0.00000000")
    for unknown in ("999999", "9" * 40):
        answer = api.get(f"/positions/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")


def held_by(user: User, long: str, short: str) -> None:
    order(user, "buy", long)
    order(user, "sell", short, "ETHUSDT")


@each("mode", [INITIAL_SHARE, BRACKETS])
def test_staff_see_each_position_as_its_owner_does(
    trader: Trader, marks: Marks, client_of: ClientOf, mode: str
) -> None:
    """A list asks the database how accounts stand; the owner's statement adds positions up."""
    owners = [trader(balance) for balance in ("10000", "7000.01")]
    for owner, sizes in zip(owners, (("0.5", "5"), ("0.30001", "4.77")), strict=True):
        held_by(owner, *sizes)
    ladder = {"maintenance_brackets": "BTCUSDT 5000: 0.02 20x, 90000: 0.05 10x"}
    change_policy(reason="A test", changes={"margin_mode": mode, **ladder})
    marks(BTCUSDT="64321.07", ETHUSDT="3222.22")
    seen = [client_of(owner).get("/account/me").json()["positions"] for owner in owners]
    staff = client_of(User.objects.create_superuser("head", password=None))
    listed = {row["position_id"]: row for row in staff.get("/positions").json()["results"]}
    assert listed == {row["position_id"]: row for rows in seen for row in rows}
    assert len({row["liquidation_price"] for row in listed.values()}) == 4


def test_positions_of_any_number_of_accounts_take_the_same_few_statements(
    trader: Trader, client_of: ClientOf, django_assert_num_queries: Any
) -> None:
    """Who asks, the page, how its accounts stand, and what their positions require."""
    staff = client_of(User.objects.create_superuser("head", password=None))
    for accounts in (1, 3):
        while Account.objects.filter(positions__isnull=False).distinct().count() < accounts:
            held_by(trader("10000"), "0.1", "1.5")
        with django_assert_num_queries(4):
            assert len(staff.get("/positions").json()["results"]) == 2 * accounts


@pytest.mark.parametrize(("opened", "closes"), [("buy", "sell"), ("sell", "buy")])
def test_a_position_is_closed_whole(
    api: APIClient, user: User, marks: Marks, opened: str, closes: str
) -> None:
    order(user, opened, "0.1")
    order(user, opened, "0.02", price="60000" if opened == "buy" else "70000")  # rests beside it
    kept = order(user, "buy", "1", "ETHUSDT")
    marks(BTCUSDT="65500")
    answer = api.post("/positions/btcUSDT/close", {"user_id": user.pk}, format="json")
    assert answer.status_code == 200
    body = answer.json()
    shown = body["order"]
    assert api.get(f"/orders/{shown['order_id']}").json() == shown
    assert shown == {
        **shown,
        "symbol": "BTCUSDT",
        "side": closes,
        "type": "market",
        "size": "0.10000000",
        "filled_size": "0.10000000",
        "price": "65500.00000000",
        "reduce_only": True,
        "status": "FILLED",
    }
    assert body["required_margin"] == "0.00000000"
    assert list(state_of(user).positions) == [kept.instrument_id]
    [trade] = api.get("/trades?symbol=BTCUSDT").json()["results"][:1]
    assert trade["realized_pnl"] == ("50.00000000" if opened == "buy" else "-50.00000000")


def test_with_nothing_to_close_the_order_is_refused_and_stored(api: APIClient, user: User) -> None:
    for path in ("BTCUSDT", "ethusdt"):
        answer = api.post(f"/positions/{path}/close")
        assert (answer.status_code, answer.json()["code"]) == (400, "reduce_only_rejected")
    stored = api.get(f"/orders/{answer.json()['order_id']}").json()
    assert (stored["status"], stored["reject_code"]) == ("REJECTED", "reduce_only_rejected")
    assert (stored["symbol"], stored["size"]) == ("ETHUSDT", "0.00000000")


def test_the_same_name_closes_once(api: APIClient, user: User) -> None:
    order(user, "buy", "0.1")
    named = {"client_order_id": "out"}
    first = api.post("/positions/BTCUSDT/close", named, format="json")
    order(user, "buy", "0.05")
    again = api.post("/positions/btcusdt/close", named, format="json")
    assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true")
    assert state_of(user).exposure == Decimal("3250")
    for path, body in (
        ("/positions/ETHUSDT/close", named),
        ("/orders", {**named, "symbol": "BTCUSDT", "side": "sell", "size": "0.1"}),
    ):
        assert api.post(path, body, format="json").json()["code"] == "client_order_id_conflict"


def test_dust_is_closed_though_no_order_may_be_so_small(
    api: APIClient, user: User, marks: Marks
) -> None:
    order(user, "buy", "0.0001")
    Instrument.objects.update(min_notional=100)
    assert order(user, "sell", "0.0001", reduce_only=True).reject_code == "below_min_notional"
    assert api.post("/positions/BTCUSDT/close").status_code == 200
    assert state_of(user).positions == {}


def test_what_stops_orders_stops_a_close(api: APIClient, user: User) -> None:
    def refusal() -> str:
        answer = api.post("/positions/BTCUSDT/close")
        assert answer.status_code == 400
        stored = Order.objects.get(pk=answer.json()["order_id"])
        assert stored.size == Decimal("0.1")
        return str(answer.json()["code"])

    order(user, "buy", "0.1")
    Instrument.objects.filter(symbol="BTCUSDT").update(halted=True)
    assert refusal() == "instrument_halted"
    suspend_account(reason="A test", account=user.account)
    assert refusal() == "account_suspended"
    Instrument.objects.update(marked_at=timezone.now() - timedelta(days=1))
    assert refusal() == "stale_price"
    set_trading_state(state=TradingState.HALTED, reason="A test")
    assert refusal() == "trading_halted"


@each(
    ("path", "body", "field"),
    [
        ("X" * 21, {}, "symbol"),
        ("BTC%00", {}, "symbol"),
        ("BTCUSDT", {"client_order_id": ""}, "client_order_id"),
        ("BTCUSDT", {"user_id": "me"}, "user_id"),
        ("BTCUSDT", [], "non_field_errors"),
    ],
)
def test_an_invalid_close_names_the_field(
    api: APIClient, path: str, body: object, field: str
) -> None:
    answer = api.post(f"/positions/{path}/close", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert list(answer.json()["errors"]) == [field]
    assert not Order.objects.exists()


def test_an_unlisted_symbol_names_no_position(api: APIClient) -> None:
    answer = api.post("/positions/NOSUCH/close")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_symbol")
    assert not Order.objects.exists()


def test_nobody_closes_for_another(api: APIClient, trader: Trader) -> None:
    other = trader("10000")
    order(other, "buy", "0.1")
    answer = api.post("/positions/BTCUSDT/close", {"user_id": other.pk}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert api.post("/positions/BTCUSDT/close").json()["code"] == "reduce_only_rejected"
    assert state_of(other).exposure == 6500
