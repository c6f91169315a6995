"""Rate limits in the console: staff change them, say why, and are told what cannot be."""

from typing import Any

from django.db import connection
from django.test import Client

from accounts.models import AccountPolicy, KeyScopes, RateLimit
from kpi.audit.models import AuditRecord
from tests.console import save
from tests.each import each


def test_limits_stand_in_the_console_and_in_the_audit_trail(staff: Client) -> None:
    row = RateLimit.objects.get(tier="advanced", scopes=KeyScopes.READ)
    page = f"/admin/accounts/ratelimit/{row.pk}/change/"
    assert "A key that only reads places no orders" in save(staff, page, orders_per_minute="5")
    assert "changed successfully" in save(
        staff, page, requests_per_minute="4321", reason="Too many polls"
    )
    row.refresh_from_db()
    assert (row.requests_per_minute, row.history.latest().history_change_reason) == (
        4321,
        "Too many polls",
    )
    connection.check_constraints()
    record = AuditRecord.objects.filter(reference=f"accounts.ratelimit:{row.pk}").latest("pk")
    assert record.details["after"] == {"requests_per_minute": "4321"}
    assert "4,321" in staff.get("/admin/accounts/ratelimit/").content.decode()


@each(
    ("requests", "orders", "shown"),
    [
        ("1234/m", "600/m", ["1,234 (setting)", "600 (setting)"]),
        ("50/10s", None, ["50/10s (setting)", "no limit (setting)"]),
    ],
)
def test_the_list_shows_what_settings_say_where_a_row_says_nothing(
    staff: Client, settings: Any, requests: str, orders: str | None, shown: list[str]
) -> None:
    settings.API_RATE_LIMIT, settings.ORDER_RATE_LIMIT = requests, orders
    RateLimit.objects.filter(tier="advanced", scopes=KeyScopes.READ).update(requests_per_minute=77)
    page = staff.get("/admin/accounts/ratelimit/").content.decode()
    # Of six rows three are of keys that read, which place no orders; one of them says a limit.
    assert [page.count(one) for one in shown] == [5, 3]
    assert page.count(">77<") == 1


def test_weights_of_calls_stand_in_the_account_policy(staff: Client) -> None:
    page = "/admin/accounts/accountpolicy/1/change/"
    for wrong in ("GET /nowhere: 2", "GET /orders: 0", "GET /orders"):
        shown = save(staff, page, request_weights=wrong)
        assert "no call that counts" in shown or "Weights are calls" in shown
    assert "changed successfully" in save(
        staff, page, request_weights="POST /orders: 2,\nGET /orders: 5"
    )
    policy = AccountPolicy.objects.get()
    assert policy.request_weights == "GET /orders: 5, POST /orders: 2"
    assert policy.history.latest().request_weights == policy.request_weights
    row = f"/admin/accounts/ratelimit/{RateLimit.objects.all()[0].pk}/change/"
    assert "counts as 5 requests, of which a limit allows 4" in save(
        staff, row, requests_per_minute="4"
    )
