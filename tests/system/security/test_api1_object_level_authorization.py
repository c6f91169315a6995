"""API1: no call reads or changes what belongs to another user, whichever id it names."""

from typing import Any

import pytest

from accounts.models import User
from risk.models import Position
from tests.conftest import ApiClient
from tests.each import each
from trading.models import Order

LISTS = ("/orders", "/trades", "/positions", "/liquidations")


@pytest.fixture
def theirs(victim: User, resting: Order) -> dict[str, int]:
    position = Position.objects.filter(account__user=victim).latest("id")
    return {"user": victim.pk, "order": resting.pk, "position": position.pk}


@each(
    ("method", "path"),
    [
        ("get", "/account/{user}"),
        ("get", "/account/ledger?user_id={user}"),
        ("get", "/account/limits?user_id={user}"),
        ("get", "/orders/{order}"),
        ("get", "/positions/{position}"),
        ("post", "/orders/{order}/cancel"),
        ("post", "/orders/{order}/cancel?user_id={user}"),
        ("post", "/orders/cancel-all?user_id={user}"),
    ],
)
def test_another_users_object_is_refused(
    intruder: ApiClient, theirs: dict[str, int], method: str, path: str
) -> None:
    answer = getattr(intruder, method)(path.format(**theirs))
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert Order.objects.get(pk=theirs["order"]).status == "NEW"


def test_no_order_is_placed_for_another_user(intruder: ApiClient, theirs: dict[str, int]) -> None:
    before = Order.objects.count()
    order = {"user_id": theirs["user"], "symbol": "BTCUSDT", "side": "buy", "size": "0.01"}
    assert intruder.post("/orders", order).status_code == 403
    [result] = intruder.post("/orders/batch", {"orders": [order]}).json()["results"]
    assert (result["status_code"], result["code"]) == (403, "permission_denied")
    assert Order.objects.count() == before


@each("path", LISTS)
def test_a_list_holds_ones_own_rows_only(
    intruder: ApiClient, staff: ApiClient, theirs: dict[str, int], path: str
) -> None:
    assert theirs["user"] in user_ids(staff.get(path).json())
    assert user_ids(staff.get(path, {"user_id": theirs["user"]}).json()) == {theirs["user"]}
    assert intruder.get(path).json()["results"] == []
    answer = intruder.get(path, {"user_id": theirs["user"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    for name in ("user", "account", "account_id", "account__user_id", "all"):
        answer = intruder.get(path, {name: theirs["user"]})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def user_ids(page: dict[str, Any]) -> set[int]:
    return {row["user_id"] for row in page["results"]}


@each("path", ["/orders", "/trades", "/positions"])
def test_a_cursor_of_somebody_else_opens_nothing(
    intruder: ApiClient, staff: ApiClient, theirs: dict[str, int], path: str
) -> None:
    following = staff.get(f"{path}?page_size=1").json()["next"]
    assert staff.get(following).json()["results"] != []
    assert intruder.get(following).json()["results"] == []


def test_staff_read_but_do_not_trade_for_others(staff: ApiClient, theirs: dict[str, int]) -> None:
    assert staff.get("/account/{user}".format(**theirs)).status_code == 200
    assert staff.get("/account/ledger?user_id={user}".format(**theirs)).status_code == 200
    assert staff.get("/orders/{order}".format(**theirs)).status_code == 200
    assert staff.get("/positions/{position}".format(**theirs)).status_code == 200
    assert staff.post("/orders/{order}/cancel".format(**theirs)).status_code == 403
    assert staff.post("/orders/cancel-all").json()["canceled"] == []
    assert staff.post("/orders/cancel-all?user_id={user}".format(**theirs)).status_code == 403
    order = {"user_id": theirs["user"], "symbol": "BTCUSDT", "side": "buy", "size": "0.01"}
    assert staff.post("/orders", order).status_code == 403


def test_an_id_of_nobody_is_refused(staff: ApiClient) -> None:
    for number in ("0", "999999", "9" * 19, "9" * 40):
        for path in (f"/orders/{number}", f"/account/{number}", f"/positions/{number}"):
            assert staff.get(path).status_code == 404
        assert staff.post(f"/orders/{number}/cancel").status_code == 404


def test_an_id_that_is_none_is_refused(staff: ApiClient) -> None:
    for number in ("-1", "1.0", "1e3", "1%00", "1;--", "me%2f..", "%F0%9F%92%A9"):
        assert staff.get(f"/orders/{number}").status_code == 404
        assert staff.get(f"/account/{number}").status_code == 404
