"""API3: a client sets only what it may, and sees only what it should."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account, User
from tests.conftest import ApiClient
from tests.each import each
from trading.models import Order

ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}

FOREIGN: dict[str, Any] = {
    "order_id": 1,
    "id": 1,
    "account": 1,
    "account_id": 1,
    "status": "NEW",
    "accepted_as": "FILLED",
    "tier": "advanced",
    "is_staff": True,
    "balance": "1000000",
    "filled_size": "99",
    "average_price": "1",
    "fee": "-5",
    "realized_pnl": "1000",
    "required_margin": "0",
    "reserved_margin": "0",
    "reject_code": "",
    "liquidation": True,
    "venue": "binance_testnet",
    "fingerprint": "x",
    "triggered_at": "2020-01-01T00:00:00Z",
    "created_at": "2020-01-01T00:00:00Z",
    "global_exposure_after": "0",
    "__proto__": {"is_staff": True},
}


def placed(client: ApiClient, body: dict[str, Any], *, batch: bool) -> dict[str, Any]:
    if not batch:
        return client.post("/orders", body).json()
    [result] = client.post("/orders/batch", {"orders": [body]}).json()["results"]
    return result


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
def test_fields_of_the_exchange_are_not_the_clients_to_set(
    intruder: ApiClient, batch: bool
) -> None:
    before = Order.objects.count()
    for name, value in FOREIGN.items():
        answer = placed(intruder, {**ORDER, name: value}, batch=batch)
        assert (answer["code"], set(answer["errors"])) == ("unknown_field", {name})
    assert Order.objects.count() == before


@each("batch", [False, True])
@each("leverage", [6, 20, 1_000_001, 10**30])
def test_leverage_above_the_tier_is_refused(
    intruder: ApiClient, leverage: int, batch: bool
) -> None:
    body = {**ORDER, "leverage": leverage}
    assert placed(intruder, body, batch=batch)["code"] == "leverage_exceeds_tier"


@each("leverage", [0, -1, "5.5", "NaN", "five", [5], {}])
def test_leverage_that_is_none_is_refused(intruder: ApiClient, leverage: Any) -> None:
    answer = intruder.post("/orders", {**ORDER, "leverage": leverage})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert set(answer.json()["errors"]) == {"leverage"}


@each("method", ["put", "patch", "delete"])
@each("path", ["/orders/{order}", "/orders", "/account/{user}", "/account/me"])
def test_nothing_is_changed_but_by_a_named_call(
    victim: User, resting: Order, staff: ApiClient, method: str, path: str
) -> None:
    url = path.format(order=resting.pk, user=victim.pk)
    answer = getattr(staff, method)(url, {"status": "FILLED", "balance": "1"})
    assert answer.status_code == 405
    assert Order.objects.get(pk=resting.pk).status == "NEW"


def test_answers_hold_no_more_than_the_contract(victim: User, staff: ApiClient) -> None:
    order = staff.get("/orders").json()["results"][0]
    assert not {"account", "fingerprint", "accepted_as", "venue", "reserved_margin"} & set(order)
    statement = staff.get(f"/account/{victim.pk}").json()
    assert not {"password", "email", "is_staff", "is_superuser", "api_keys"} & set(statement)
    assert Account.objects.get(user=victim).balance == Decimal(statement["balance"])
