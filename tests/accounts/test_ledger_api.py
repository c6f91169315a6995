"""The ledger of an account over HTTP: all of its transfers, as its owner may see them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.ledger import Posting
from accounts.models import Account, TransferKind, User
from accounts.services import adjust_balance, create_user, fund_insurance, post, withdraw
from tests.conftest import ApiClient, ClientOf

D = Decimal


@pytest.fixture
def clerk(db: None) -> User:
    return User.objects.create_user("clerk", is_staff=True)


@pytest.fixture
def moved(user: User, clerk: User) -> User:
    """A user with transfers in both directions, beside those of somebody else and of the fund."""
    account = user.account
    withdraw(account=account, amount=D("0.5"))
    for kind, amount, cause in (
        (TransferKind.REALIZED_PNL, D("-12.25"), "order:18"),
        (TransferKind.FEE, D("-0.00000001"), "order:18"),
        (TransferKind.INSURANCE_COVER, D(3), "liquidation:4"),
    ):
        post(account=account, posting=Posting(kind, amount, cause), reason="", created_by=None)
    adjust_balance(account=account, amount=D(-7), reason="Suspected of that", created_by=clerk)
    create_user(username="other", opening_balance=D(5))
    fund_insurance(amount=D(9), reason="Capital")
    return user


def pages(api: ApiClient, path: str) -> list[dict[str, Any]]:
    """Return the rows of all pages, forwards; backwards they must be the same."""
    rows, following, last = [], path, path
    while following:
        last = following
        page = api.get(following).json()
        rows += page["results"]
        following = page["next"]
    back, previous = [], last
    while previous:
        page = api.get(previous).json()
        back = page["results"] + back
        previous = page["previous"]
    assert back == rows
    return rows


def test_who_moves_money_is_told_what_the_account_holds(user: User) -> None:
    """Whatever they knew of it before."""
    opened, known_before = user.account, Account.objects.get(user=user)
    assert (opened.balance, str(opened.balance)) == (known_before.balance, "100000.00000000")
    withdraw(account=opened, amount=D("0.5"))
    withdraw(account=known_before, amount=D(1))
    assert str(known_before.balance) == "99998.50000000"
    assert known_before.balance == Account.objects.get(user=user).balance


def test_all_transfers_are_told_newest_first_and_add_up(api: ApiClient, moved: User) -> None:
    rows = api.get("/account/ledger").json()["results"]
    assert [(row["kind"], row["amount"]) for row in rows] == [
        ("adjustment", "-7.00000000"),
        ("insurance_cover", "3.00000000"),
        ("fee", "-0.00000001"),
        ("realized_pnl", "-12.25000000"),
        ("withdrawal", "-0.50000000"),
        ("deposit", "100000.00000000"),
    ]
    moved.account.refresh_from_db()
    assert sum(D(row["amount"]) for row in rows) == moved.account.balance
    assert {row["user_id"] for row in rows} == {moved.pk}
    causes = [(row["order_id"], row["liquidation_id"]) for row in rows]
    assert causes == [(None, None), (None, 4), (18, None), (18, None), (None, None), (None, None)]


def test_what_staff_wrote_is_not_shown(api: ApiClient, moved: User) -> None:
    rows = api.get("/account/ledger").json()["results"]
    assert [row["reason"] for row in rows] == [None] * 5 + ["Opening balance"]
    assert "created_by" not in rows[0]


def test_pages_turn_in_both_directions(api: ApiClient, moved: User) -> None:
    whole = api.get("/account/ledger").json()["results"]
    for size in (1, 2, 4):
        assert pages(api, f"/account/ledger?page_size={size}") == whole


def test_a_ledger_is_filtered_by_kind_and_time(api: ApiClient, moved: User) -> None:
    def kinds(**query: str) -> list[str]:
        return [row["kind"] for row in api.get("/account/ledger", query).json()["results"]]

    assert kinds(kind="fee") == ["fee"]
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    assert (kinds(since=later), len(kinds(until=later))) == ([], 6)
    for query in ({"kind": "gift"}, {"since": "yesterday"}, {"user_id": "me"}, {"page_size": "0"}):
        answer = api.get("/account/ledger", query)
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert api.get("/account/ledger?symbol=BTCUSDT").json()["code"] == "unknown_parameter"


def test_staff_name_whose_ledger_they_read(
    moved: User, clerk: User, client_of: ClientOf, api: ApiClient
) -> None:
    staff = client_of(clerk)
    theirs = staff.get(f"/account/ledger?user_id={moved.pk}").json()
    assert theirs == api.get(f"/account/ledger?user_id={moved.pk}").json()
    assert [row["user_id"] for row in staff.get("/account/ledger").json()["results"]] == [clerk.pk]
    nobody = staff.get("/account/ledger?user_id=999999")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "account_not_found")
    for user_id in (clerk.pk, 999999):
        answer = api.get(f"/account/ledger?user_id={user_id}")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
