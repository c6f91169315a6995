"""Orders, trades, liquidations and ticks over HTTP: the wire contract."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Account, User
from market.models import Instrument
from risk.models import LeverageLimit, RiskPolicy
from tests.each import each
from tests.trading.conftest import Marks, Trader, order
from trading.models import Order

ClientOf = Callable[[User], APIClient]
AMOUNT = re.compile(r"^-?\d+\.\d{8}$")


@pytest.fixture
def user(trader: Trader) -> User:
    return trader("10000", "beginner")


@pytest.fixture
def api(user: User, client_of: ClientOf) -> APIClient:
    return client_of(user)


def place(api: APIClient, **changes: Any) -> Any:
    body = {"symbol": "BTCUSDT", "side": "buy", "size": "0.1", **changes}
    return api.post("/orders", json.dumps(body), content_type="application/json")


def test_a_market_order_is_answered_with_the_order_and_its_margins(
    api: APIClient, user: User
) -> None:
    answer = place(api, user_id=user.pk, leverage=5, client_order_id="first")
    assert answer.status_code == 200
    body = answer.json()
    assert body["required_margin"] == "1300.00000000"
    assert body["user_exposure_after"] == body["global_exposure_after"] == "6500.00000000"
    shown = body["order"]
    assert shown == {
        **shown,
        "client_order_id": "first",
        "user_id": user.pk,
        "symbol": "BTCUSDT",
        "side": "buy",
        "type": "market",
        "size": "0.10000000",
        "filled_size": "0.10000000",
        "leverage": 5,
        "price": "65000.00000000",
        "status": "FILLED",
        "reject_code": None,
    }
    assert api.get(f"/orders/{shown['order_id']}").json() == shown


def test_every_amount_is_a_string_with_eight_places(api: APIClient) -> None:
    place(api, size="0.5")
    place(api, type="limit", price="60000")
    statement = api.get("/account/me").json()
    amounts = ("balance", "equity", "margin_used", "available_margin", "exposure", "margin_ratio")
    assert all(AMOUNT.match(statement[name]) for name in amounts)
    [position] = statement["positions"]
    amounts = ("quantity", "entry_price", "mark_price", "notional", "margin", "liquidation_price")
    assert all(AMOUNT.match(position[name]) for name in amounts)
    assert (position["status"], position["liquidated"]) == ("OPEN", False)
    [trade] = api.get("/trades").json()["results"]
    assert all(AMOUNT.match(trade[name]) for name in ("size", "price", "notional", "fee"))


@each("size", ["0.1", "0.10", 0.1, "1e-1"])
def test_numbers_are_read_as_they_are_written(api: APIClient, size: object) -> None:
    assert place(api, size=size).json()["order"]["size"] == "0.10000000"


def test_a_json_number_is_never_a_float(api: APIClient) -> None:
    body = '{"symbol": "btcusdt", "side": "buy", "size": 0.10000000000000001}'
    answer = api.post("/orders", body, content_type="application/json")
    assert answer.json()["code"] == "invalid_size"


def test_symbols_are_accepted_in_any_case(api: APIClient) -> None:
    assert place(api, symbol="btcUsdt").json()["order"]["symbol"] == "BTCUSDT"


@each(
    ("changes", "field"),
    [
        ({"size": "NaN"}, "size"),
        ({"size": "Infinity"}, "size"),
        ({"size": "1e400"}, "size"),
        ({"size": "x"}, "size"),
        ({"size": True}, "size"),
        ({"size": None}, "size"),
        ({"size": ["1"]}, "size"),
        ({"side": "hold"}, "side"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "X" * 21}, "symbol"),
        ({"symbol": "BTC\x00"}, "symbol"),
        ({"type": "stop"}, "type"),
        ({"type": "limit"}, "price"),
        ({"type": "limit", "price": "-Infinity"}, "price"),
        ({"leverage": 0}, "leverage"),
        ({"leverage": "ten"}, "leverage"),
        ({"leverage": 2.5}, "leverage"),
        ({"reduce_only": "maybe"}, "reduce_only"),
        ({"client_order_id": "x" * 65}, "client_order_id"),
        ({"client_order_id": ""}, "client_order_id"),
        ({"user_id": "me"}, "user_id"),
    ],
)
def test_an_invalid_request_names_the_field(
    api: APIClient, changes: dict[str, object], field: str
) -> None:
    answer = place(api, **changes)
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"
    assert list(answer.json()["errors"]) == [field]
    assert not Order.objects.exists()


@pytest.mark.usefixtures("collector_at_rest")
@each(
    "body", ["", "[]", "1", "null", '"x"', "{", '{"size": NaN}', '{"a": 1, "a": 2}', "[" * 100_000]
)
def test_a_body_that_is_no_order_is_refused(api: APIClient, body: str) -> None:
    answer = api.post("/orders", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"parse_error", "validation_error"}


def test_a_huge_body_is_refused(api: APIClient) -> None:
    answer = api.post("/orders", b" " * 2_000_000, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def policy(**values: object) -> Callable[[User], object]:
    return lambda user: RiskPolicy.objects.update(**values)


def instrument(**values: object) -> Callable[[User], object]:
    return lambda user: Instrument.objects.update(**values)


def tier(**values: object) -> Callable[[User], object]:
    return lambda user: LeverageLimit.objects.filter(tier=user.tier).update(**values)


def ranging(share: str) -> Callable[[User], object]:
    """Bands that leave three of the beginner's five, and instruments with a range."""

    def let_range(user: User) -> None:
        RiskPolicy.objects.update(volatility_bands="0.03: 0.75")
        Instrument.objects.update(realized_range=share)

    return let_range


def by_brackets(ladders: str) -> Callable[[User], object]:
    return policy(margin_mode="brackets", maintenance_brackets=ladders)


def requiring_more(user: User) -> None:
    """Half a bitcoin of which brackets that came later require three times the margin."""
    order(user, "buy", "0.5")
    by_brackets("BTCUSDT 65000: 0.3 3x")(user)


def sent_before(user: User) -> None:
    RiskPolicy.objects.update(duplicate_seconds=60)
    order(user, "buy", "0.1")


def suspend(user: User) -> None:
    Account.objects.filter(user=user).update(suspended=True)


REFUSALS: dict[str, tuple[Callable[[User], object], dict[str, object]]] = {
    "trading_halted": (policy(trading_halted=True), {}),
    "reducing_only": (policy(trading_reducing=True), {}),
    "stale_price": (instrument(marked_at=timezone.now() - timedelta(days=1)), {}),
    "account_suspended": (suspend, {}),
    "tier_halted": (tier(tier_state="HALTED"), {}),
    "unknown_symbol": (policy(), {"symbol": "NOSUCH"}),
    "instrument_halted": (instrument(halted=True), {}),
    "invalid_size": (policy(), {"size": "0.000001"}),
    "invalid_price": (policy(), {"type": "limit", "price": "60000.001"}),
    "below_min_notional": (policy(), {"size": "0.00001"}),
    "price_out_of_band": (policy(price_band="0.01"), {"type": "limit", "price": "60000"}),
    "order_value_exceeded": (tier(max_order_value="6499.99999999"), {}),
    "duplicate_order": (sent_before, {}),
    "order_volume_exceeded": (tier(max_minute_value="6499.99999999"), {}),
    "leverage_exceeds_tier": (policy(), {"leverage": 6}),
    "leverage_exceeds_volatility": (ranging("0.03"), {"leverage": 4}),
    "brackets_missing": (by_brackets("ETHUSDT 9000: 0.01 20x"), {}),
    "position_exceeds_brackets": (by_brackets("BTCUSDT 6499: 0.01 20x"), {}),
    "leverage_exceeds_bracket": (by_brackets("BTCUSDT 6500: 0.01 4x"), {"leverage": 5}),
    "reduce_only_rejected": (policy(), {"reduce_only": True}),
    "too_many_open_orders": (policy(max_open_orders=0), {"type": "limit", "price": "60000"}),
    "insufficient_margin": (policy(), {"size": "1"}),
    "below_maintenance": (requiring_more, {}),
    "user_exposure_exceeded": (policy(user_exposure_limit=6499), {}),
    "global_exposure_exceeded": (policy(global_exposure_threshold=6499), {}),
}


@each("code", REFUSALS)
def test_a_refused_order_answers_with_its_code_and_number(
    api: APIClient, user: User, code: str
) -> None:
    obstacle, changes = REFUSALS[code]
    obstacle(user)
    answer = place(api, **changes)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    stored = api.get(f"/orders/{answer.json()['order_id']}").json()
    assert (stored["status"], stored["reject_code"]) == ("REJECTED", code)


def test_the_same_client_order_id_is_answered_again(api: APIClient) -> None:
    first = place(api, client_order_id="a")
    again = place(api, client_order_id="a", size="0.10")
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    conflict = place(api, client_order_id="a", size="0.2")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "client_order_id_conflict")
    refused = place(api, client_order_id="b", size="5")
    again = place(api, client_order_id="b", size="5")
    assert (again.status_code, again.json()) == (400, refused.json())
    assert again["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == 2


def test_cancel(api: APIClient, user: User) -> None:
    order_id = place(api, type="limit", price="60000").json()["order"]["order_id"]
    answer = api.post(f"/orders/{order_id}/cancel?user_id={user.pk}")
    assert answer.json() == {
        "order_id": order_id,
        "status": "CANCELED",
        "detail": f"Order {order_id} is canceled.",
    }
    again = api.post(f"/orders/{order_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (400, "order_not_open")
    assert api.post(f"/orders/{order_id}/cancel?user_id=x").json()["code"] == "validation_error"


def test_unknown_orders_are_not_found(api: APIClient) -> None:
    for order_id in ("999999", "9" * 40):
        assert api.get(f"/orders/{order_id}").json()["code"] == "order_not_found"
        assert api.post(f"/orders/{order_id}/cancel").status_code == 404
    assert api.get("/orders/abc").json()["code"] == "not_found"


def test_nobody_reaches_another_users_data(
    api: APIClient, user: User, trader: Trader, client_of: ClientOf
) -> None:
    other = trader("10000")
    theirs = order(other, "buy", "0.1", price="60000")
    for answer in (
        api.get(f"/orders/{theirs.pk}"),
        api.post(f"/orders/{theirs.pk}/cancel"),
        api.get(f"/account/{other.pk}"),
        place(api, user_id=other.pk),
        api.post(f"/orders/{theirs.pk}/cancel?user_id={other.pk}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    for path in ("/orders", "/trades", "/positions", "/liquidations"):
        assert api.get(path).json()["results"] == []


def test_staff_see_everybody_but_trade_for_nobody(
    user: User, trader: Trader, client_of: ClientOf
) -> None:
    staff = trader("10000")
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    api = client_of(staff)
    placed = order(user, "buy", "0.1", price="60000")
    order(user, "buy", "0.1")
    assert api.get(f"/account/{user.pk}").status_code == 200
    assert api.get(f"/orders/{placed.pk}").status_code == 200
    assert len(api.get("/orders").json()["results"]) == 2
    assert len(api.get("/positions").json()["results"]) == 1
    assert place(api, user_id=user.pk).status_code == 403
    assert api.post(f"/orders/{placed.pk}/cancel").status_code == 403


def test_lists_are_filtered_and_paged(api: APIClient, user: User) -> None:
    for number in range(5):
        order(user, "buy", "0.01", "BTCUSDT" if number % 2 else "ETHUSDT")
    order(user, "buy", "100")
    page = api.get("/orders?page_size=4").json()
    assert set(page) == {"next", "previous", "results"}
    rest = api.get(page["next"]).json()
    ids = [row["order_id"] for row in page["results"] + rest["results"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 6
    assert len(api.get("/orders?symbol=ethusdt").json()["results"]) == 3
    assert len(api.get("/orders?status=REJECTED").json()["results"]) == 1
    later = (timezone.now() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    assert api.get(f"/trades?since={later}").json()["results"] == []
    assert len(api.get(f"/trades?until={later}&symbol=BTCUSDT").json()["results"]) == 2
    assert api.get("/orders?status=LOST").json()["code"] == "validation_error"
    assert api.get("/orders?since=yesterday").status_code == 400
    assert api.get("/orders?cursor=garbage").json()["code"] == "invalid_cursor"


def test_an_order_is_found_by_the_name_that_it_was_given(
    api: APIClient, trader: Trader, client_of: ClientOf
) -> None:
    named = place(api, client_order_id="mine").json()["order"]
    place(api, client_order_id="MINE")
    other = trader("10000")
    order(other, "buy", "0.1", client_order_id="mine")
    assert api.get("/orders?client_order_id=mine").json()["results"] == [named]
    assert api.get("/orders?client_order_id=mine&symbol=ETHUSDT").json()["results"] == []
    assert api.get("/orders?client_order_id=yours").json()["results"] == []
    assert api.get("/orders", {"client_order_id": "x" * 65}).json()["code"] == "validation_error"
    User.objects.filter(pk=other.pk).update(is_staff=True)
    found = client_of(other).get("/orders?client_order_id=mine").json()["results"]
    assert {row["user_id"] for row in found} == {other.pk, named["user_id"]}


def test_a_liquidation_is_told_to_its_owner(
    trader: Trader, client_of: ClientOf, marks: Marks
) -> None:
    user = trader("10000")
    api = client_of(user)
    place(api, size="1")
    marks(BTCUSDT="58249")
    [told] = api.get("/liquidations?symbol=btcusdt").json()["results"]
    assert told["margin_ratio_before"] == "0.49984615"
    assert told["margin_ratio_after"] is None
    [trade] = told["trades"]
    assert trade == api.get("/trades").json()["results"][0]
    assert trade["liquidation"] is True
    statement = api.get("/account/me").json()
    assert (statement["balance"], statement["margin_ratio"]) == ("3249.00000000", None)
    [position] = statement["positions"]
    assert (position["status"], position["liquidated"]) == ("LIQUIDATED", True)
    assert api.get("/positions?status=OPEN").json()["results"] == []
    order(user, "buy", "0.01")
    order(user, "sell", "0.01")
    assert api.get("/account/me").json()["positions"] == []


def test_a_tick_steps_the_market_and_the_next_one_waits(
    api: APIClient, marks: Marks, settings: Any
) -> None:
    settings.PRICE_SOURCES = ["simulation"]
    marks(BTCUSDT="65000", ETHUSDT="3200")
    settings.TICK_MIN_INTERVAL_SECONDS = 0
    first = api.post("/market/tick?symbol=ethusdt").json()
    assert first["refreshed"] is True
    assert {price["symbol"] for price in first["prices"]} == {"BTCUSDT", "ETHUSDT"}
    settings.TICK_MIN_INTERVAL_SECONDS = 3600
    second = api.post("/market/tick").json()
    assert second == {"prices": first["prices"], "refreshed": False}
    assert api.post("/market/tick?symbol=nosuch").json()["code"] == "unknown_symbol"


def test_a_user_without_an_account_is_told_so(client_of: ClientOf, db: None) -> None:
    someone = User.objects.create_user(username="staff")
    api = client_of(someone)
    Account.objects.filter(user=someone).update(user=someone)
    assert api.get("/account/me").json()["balance"] == "100000.00000000"
    assert api.get("/account/99999").status_code == 403


def test_amounts_keep_what_was_asked_of_a_refused_order(api: APIClient) -> None:
    refused = place(api, size="0.0000000001").json()
    stored = api.get(f"/orders/{refused['order_id']}").json()
    assert Decimal(stored["size"]) == Decimal("0.0000000001")
