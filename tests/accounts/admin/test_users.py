"""Users, keys and rights: who creates, who issues, and who may touch whom."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Permission
from django.db import connections, transaction
from django.test import Client

from accounts.errors import InvalidApiKey
from accounts.keys import identify
from accounts.models import Account, AccountPolicy, ApiKey, Transfer, User
from tests.console import Clerk, D, press, save, select
from tests.each import each
from tests.waiting import wait_for, waiting

NEW_TRADER = {
    "username": "carol",
    "usable_password": "false",
    "password1": "",
    "password2": "",
    "tier": "advanced",
    "opening_balance": "",
    "reason": "A test",
}


def test_a_new_trader_gets_an_account(staff: Client) -> None:
    page = "/admin/accounts/user/add/"
    assert staff.post(page, NEW_TRADER).status_code == 302
    carol = User.objects.get(username="carol")
    assert (carol.tier, carol.has_usable_password()) == ("advanced", False)
    assert Account.objects.get(user=carol).balance == D(100_000)
    login = {"usable_password": "true", "password1": "long-enough-77", "opening_balance": "12.5"}
    dave = {**NEW_TRADER, **login, "password2": "long-enough-77", "username": "dave"}
    assert staff.post(page, dave).status_code == 302
    assert User.objects.get(username="dave").check_password("long-enough-77")
    assert Account.objects.get(user__username="dave").balance == D("12.5")
    by_whom = Transfer.objects.order_by("-id").values_list("created_by__username", flat=True)
    assert list(by_whom[:2]) == ["admin", "admin"]


def test_choosing_an_opening_balance_needs_the_right_to_post_transfers(
    clerk: Clerk, exchange: None
) -> None:
    client, page = clerk("add_user", "change_user", "view_user"), "/admin/accounts/user/add/"
    for amount in ("5000000", "0"):
        answer = client.post(page, {**NEW_TRADER, "opening_balance": amount}, follow=True)
        assert "needs the right to add transfers" in answer.content.decode()
    assert not User.objects.filter(username="carol").exists()
    assert client.post(page, NEW_TRADER).status_code == 302
    transfer = Transfer.objects.latest("id")
    assert (transfer.amount, transfer.created_by) == (
        D(100_000),
        User.objects.get(username="clerk"),
    )


def test_choosing_what_accounts_open_with_needs_that_right_too(clerk: Clerk, db: None) -> None:
    rights = ("change_accountpolicy", "view_accountpolicy", "add_user", "change_user")
    client = clerk(*rights, "view_user")
    policy = "/admin/accounts/accountpolicy/1/change/"
    assert "needs the right to add transfers" in save(client, policy, opening_balance="5000000")
    assert AccountPolicy.objects.get().opening_balance == D(100_000)
    assert AccountPolicy.objects.get().history.count() == 1
    assert client.post("/admin/accounts/user/add/", NEW_TRADER).status_code == 302
    assert Account.objects.get(user__username="carol").balance == D(100_000)
    cashier = User.objects.get(username="clerk")
    cashier.user_permissions.add(Permission.objects.get(codename="add_transfer"))
    assert "changed successfully" in save(client, policy, opening_balance="7")
    assert AccountPolicy.objects.get().opening_balance == 7


def test_the_account_of_a_first_key_names_who_issued_it(clerk: Clerk, db: None) -> None:
    client = clerk("add_apikey", "view_apikey", "view_user")
    issue(client, User.objects.create_user("robot"))
    assert Transfer.objects.latest("id").created_by == User.objects.get(username="clerk")


@each("flaw", [{"username": "beginner"}, {"opening_balance": "-1"}, {"usable_password": "true"}])
def test_a_flawed_trader_is_not_created(staff: Client, flaw: dict[str, str]) -> None:
    before = User.objects.count()
    answer = staff.post("/admin/accounts/user/add/", {**NEW_TRADER, **flaw})
    assert answer.status_code == 200
    assert User.objects.count() == before


def test_an_opening_balance_that_the_ledger_cannot_hold_is_a_message(staff: Client) -> None:
    body = {**NEW_TRADER, "opening_balance": "1000000000000"}
    answer = staff.post("/admin/accounts/user/add/", body, follow=True)
    assert "An amount is positive" in answer.content.decode()
    assert not User.objects.filter(username="carol").exists()


def test_a_user_is_edited_without_the_tier(staff: Client, trader: User) -> None:
    save(staff, f"/admin/accounts/user/{trader.pk}/change/", email="b@example.org", tier="advanced")
    trader.refresh_from_db()
    assert (trader.email, trader.tier) == ("b@example.org", "beginner")


def test_a_password_is_set(staff: Client, trader: User) -> None:
    page = f"/admin/accounts/user/{trader.pk}/password/"
    assert staff.get(page).status_code == 200
    body = {"usable_password": "true", "password1": "new-pass-4711", "password2": "new-pass-4711"}
    assert staff.post(page, body).status_code == 200
    assert staff.post(page, body | {"reason": "Forgotten"}).status_code == 302
    assert User.objects.get(pk=trader.pk).check_password("new-pass-4711")


@pytest.mark.django_db(transaction=True)
def test_who_is_made_staff_meanwhile_keeps_their_password(clerk: Clerk, trader: User) -> None:
    """The page was granted while the user was a trader, and waits for who makes them staff."""
    client, page = clerk("change_user", "view_user"), f"/admin/accounts/user/{trader.pk}/password/"
    body = {"usable_password": "true", "password1": "taken-over-1", "password2": "taken-over-1"}

    def set_password() -> int:
        try:
            return client.post(page, body | {"reason": "Forgotten"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            User.objects.filter(pk=trader.pk).update(is_staff=True)
            late = pool.submit(set_password)
            wait_for(waiting, what="a session that waits for a lock", seconds=60)
        assert late.result() == 403
    assert User.objects.get(pk=trader.pk).password == trader.password


def issue(client: Client, user: User) -> str:
    """Issue a key and return it in clear."""
    body = {"user": user.pk, "label": "Notebook", "scopes": "read trade", "reason": "A test"}
    answer = client.post("/admin/accounts/apikey/add/", body)
    assert "no-store" in answer["Cache-Control"]
    found = re.search(r'id="clear-key"[^>]*>([^<]+)<', answer.content.decode())
    assert found is not None
    return found[1]


def test_an_issued_key_is_shown_once_and_works(
    staff: Client, trader: User, capfd: pytest.CaptureFixture[str]
) -> None:
    clear = issue(staff, trader)
    key = identify(key=clear)
    assert (key.label, key.user) == ("Notebook", trader)
    for page in ("accounts/apikey/", f"accounts/apikey/{key.pk}/change/", "admin/logentry/"):
        assert clear not in staff.get(f"/admin/{page}").content.decode()
    assert clear not in str(dict(staff.session)) + str(staff.cookies)
    assert clear not in "".join(capfd.readouterr())


def test_keys_are_revoked(staff: Client, trader: User) -> None:
    first, second, third = (issue(staff, trader) for _ in range(3))
    press(staff, "accounts_apikey_revoke", identify(key=first).pk)
    select(staff, "accounts/apikey", "revoke_selected", identify(key=second).pk)
    assert "2 keys of beginner revoked." in press(staff, "accounts_user_revoke_keys", trader.pk)
    for clear in (first, second, third):
        with pytest.raises(InvalidApiKey):
            identify(key=clear)


def test_only_a_superuser_hands_out_rights(clerk: Clerk, trader: User) -> None:
    client = clerk("change_user", "view_user")
    page = f"/admin/accounts/user/{trader.pk}/change/"
    save(client, page, is_staff="on", is_superuser="on", user_permissions="1", email="c@d.org")
    trader.refresh_from_db()
    assert (trader.email, trader.is_staff, trader.is_superuser) == ("c@d.org", False, False)
    assert not trader.user_permissions.exists()


def test_only_a_superuser_touches_who_works_here(clerk: Clerk, exchange: None) -> None:
    client = clerk("change_user", "view_user", "add_apikey")
    boss = User.objects.get(username="admin")
    password = {"usable_password": "true", "password1": "taken-over-1", "password2": "taken-over-1"}
    for page in ("change/", "password/"):
        url = f"/admin/accounts/user/{boss.pk}/{page}"
        assert client.post(url, password).status_code == 403
    assert boss.check_password("admin")
    page = select(client, "accounts/user", "make_advanced", boss.pk)
    assert "Only a superuser changes who works here." in page
    boss.refresh_from_db()
    assert boss.tier == "beginner"
    body = {"user": boss.pk, "label": "", "scopes": "read"}
    answer = client.post("/admin/accounts/apikey/add/", body)
    assert "Select a valid choice" in answer.content.decode()
    assert not ApiKey.objects.filter(user=boss).exists()


def test_a_superuser_makes_staff(staff: Client, trader: User) -> None:
    save(staff, f"/admin/accounts/user/{trader.pk}/change/", is_staff="on", user_permissions="1")
    trader.refresh_from_db()
    assert trader.is_staff
    assert trader.user_permissions.count() == 1
    assert trader.history.latest().is_staff
