"""Staff set what a key is good for, and rotate it: in dialogs that show what holds and ask why."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.key_terms import KeyTerms
from accounts.keys import identify, issue_api_key
from accounts.models import ApiKey, User
from kpi.audit.models import AuditRecord
from tests.console import Clerk, form_of, press, shown_version, unrendered
from tests.each import each

TERMS, ROTATE = "accounts_apikey_change_terms", "accounts_apikey_rotate"
PAGE = "/admin/accounts/apikey/{}/change/"
END = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
LIMITED = {
    "scopes": "read",
    "expires_at": "2031-05-06T07:08:09",
    "networks": "192.0.2.0/24, 2001:db8::/32",
}


def clear_key_in(page: str) -> str:
    found = re.search(r'id="clear-key"[^>]*>([^<]+)<', page)
    assert found is not None
    return found[1]


@pytest.fixture
def key(trader: User) -> ApiKey:
    return trader.api_keys.get()


def test_a_key_is_issued_with_terms(staff: Client, trader: User) -> None:
    body = {"user": trader.pk, "label": "Screens", "reason": "A test"} | LIMITED
    page = staff.post("/admin/accounts/apikey/add/", body).content.decode()
    key = identify(key=clear_key_in(page))
    assert KeyTerms.of(key) == KeyTerms("read", END, ("192.0.2.0/24", "2001:db8::/32"))
    shown = staff.get(PAGE.format(key.pk)).content.decode()
    assert "192.0.2.0/24, 2001:db8::/32" in shown


def test_terms_are_changed_by_who_saw_the_present_ones(staff: Client, key: ApiKey) -> None:
    version = shown_version(staff, TERMS, key.pk)
    assert "are changed" in press(staff, TERMS, key.pk, version=version, **LIMITED)
    key.refresh_from_db()
    assert KeyTerms.of(key) == KeyTerms("read", END, ("192.0.2.0/24", "2001:db8::/32"))
    dialog = staff.get(reverse(f"admin:{TERMS}", args=[key.pk])).content.decode()
    assert 'value="2031-05-06T07:08:09"' in dialog
    assert "192.0.2.0/24\n2001:db8::/32" in dialog
    lifted = {"version": version, "scopes": "read trade"}
    assert "Somebody changed this" in press(staff, TERMS, key.pk, **lifted)
    entry = LogEntry.objects.latest("id")
    assert "Reason: A test" in entry.change_message
    lifted["version"] = shown_version(staff, TERMS, key.pk)
    assert "are changed" in press(staff, TERMS, key.pk, **lifted)
    key.refresh_from_db()
    assert KeyTerms.of(key) == KeyTerms()


@each(
    ("flaw", "complaint"),
    [
        ({"networks": "192.0.2.1/24"}, "Did you mean 192.0.2.0/24?"),
        ({"networks": "<script>"}, "is no network"),
        ({"networks": "0.0.0.0/0\n\0"}, "Null characters"),
        ({"networks": " ".join(f"192.0.2.{n}" for n in range(33))}, "32 networks at most"),
        ({"networks": "10.0.0.0/8 " * 1_000}, "at most 2000 characters"),
        ({"expires_at": "2020-01-01T00:00:00"}, "lies in the future"),
        ({"expires_at": "tomorrow"}, "Enter a valid date/time"),
        ({"expires_at": "9999-12-31T23:59:60"}, "Enter a valid date/time"),
        ({"scopes": "trade"}, "Select a valid choice"),
        ({"scopes": ""}, "This field is required"),
    ],
)
def test_flawed_terms_are_said_and_change_nothing(
    staff: Client, key: ApiKey, flaw: dict[str, str], complaint: str
) -> None:
    version = shown_version(staff, TERMS, key.pk)
    asked = {"scopes": "read"} | flaw
    changed = press(staff, TERMS, key.pk, version=version, **asked)
    assert complaint in changed.replace("&#x27;", "'")
    key.refresh_from_db()
    assert KeyTerms.of(key) == KeyTerms()
    body = {"user": key.user_id, "label": "Screens", "reason": "A test"} | asked
    with unrendered():
        refused = form_of(staff.post("/admin/accounts/apikey/add/", body))
    assert complaint in refused.errors.as_text()
    assert ApiKey.objects.filter(label="Screens").count() == 0


def test_a_rotated_key_is_shown_once_in_the_dialog(staff: Client, key: ApiKey) -> None:
    before = timezone.now()
    version = shown_version(staff, ROTATE, key.pk)
    for overlap in ("-1", "721", "soon", ""):
        press(staff, ROTATE, key.pk, overlap=overlap, version=version)
    assert key.user.api_keys.get() == key
    body = {"_form_submitted": "on", "reason": "Half a year old", "overlap": "2"}
    body["version"] = version
    answer = staff.post(reverse(f"admin:{ROTATE}", args=[key.pk]), body)
    clear = clear_key_in(answer.content.decode())
    assert answer["HX-Reselect"] == "#issued-key"
    assert "no-store" in answer["Cache-Control"]
    fresh = identify(key=clear)
    assert (fresh.replaces, fresh.expires_at) == (key, None)
    key.refresh_from_db()
    assert key.expires_at is not None
    assert (
        timedelta(0)
        <= key.expires_at - before.replace(microsecond=0) - timedelta(hours=2)
        < timedelta(minutes=5)
    )
    for page in (PAGE.format(key.pk), PAGE.format(fresh.pk), "/admin/accounts/apikey/"):
        assert clear not in staff.get(page).content.decode()
    kept = [*LogEntry.objects.values(), *AuditRecord.objects.values()]
    assert clear not in str(kept) + str(dict(staff.session)) + str(staff.cookies)
    sent_twice = staff.post(reverse(f"admin:{ROTATE}", args=[key.pk]), body, follow=True)
    assert "A live key replaces this one already" in sent_twice.content.decode()
    ApiKey.objects.filter(pk=fresh.pk).update(revoked_at=timezone.now())
    sent_late = press(staff, ROTATE, key.pk, overlap="2", version=version)
    assert "Somebody changed this" in sent_late
    assert ApiKey.objects.filter(user=key.user).count() == 2


def test_keys_of_who_works_here_are_a_superusers_affair(clerk: Clerk, key: ApiKey) -> None:
    client = clerk("add_apikey", "change_apikey", "view_apikey", "view_user")
    boss = User.objects.get(username="admin")
    own, _ = issue_api_key(user=boss, reason="A test")
    for button in (TERMS, ROTATE):
        fields = {"_form_submitted": "on", "reason": "Mine", "scopes": "read", "overlap": "1"}
        url = reverse(f"admin:{button}", args=[own.pk])
        assert (client.get(url).status_code, client.post(url, fields).status_code) == (403, 403)
        assert client.get(reverse(f"admin:{button}", args=[key.pk])).status_code == 200
        assert client.get(reverse(f"admin:{button}", args=[10**9])).status_code == 404
    own.refresh_from_db()
    assert KeyTerms.of(own) == KeyTerms()
    assert boss.api_keys.count() == 1
