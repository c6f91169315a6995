"""The page of days: who may take a day along, and what keeps a request short."""

from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from kpi.bundles import pages
from kpi.bundles.day import Day
from kpi.bundles.export import Bounds
from market.kernel.turns import Turn, only_one
from tests.console import Clerk
from tests.each import each


@pytest.mark.parametrize("who", ["admin", "regulator"])
def test_staff_and_regulators_take_a_day_along(client: Client, today: Day, who: str) -> None:
    client.force_login(User.objects.get(username=who))
    page = client.get("/admin/days/").content.decode()
    assert f"/admin/days/file/?day={today}" in page
    assert 'href="/admin/days/"' in page
    answer = client.get("/admin/days/file/", {"day": str(today)})
    assert f'filename="exchange-{today}.zip"' in answer["Content-Disposition"]
    content = b"".join(answer.streaming_content)
    assert "manifest.json" in ZipFile(BytesIO(content)).namelist()
    noted = LogEntry.objects.latest("id")
    assert noted.user.username == who
    assert content[-64:].decode() in noted.change_message


def test_others_take_nothing(clerk: Clerk, today: Day, trader: User, client: Client) -> None:
    some = clerk("view_auditrecord", "view_order")
    assert "/admin/days/" not in some.get("/admin/").content.decode()
    assert some.get("/admin/days/").status_code == 403
    assert some.get("/admin/days/file/", {"day": str(today)}).status_code == 403
    client.force_login(trader)
    assert client.get("/admin/days/file/", {"day": str(today)}).status_code == 302


@each("day", ["", "today", "2026-02-30", "\0", "0001-01-01"])
def test_what_is_no_day_is_a_bad_request(staff: Client, day: str) -> None:
    assert staff.get("/admin/days/file/", {"day": day}).status_code == 400


@each("bounds", [Bounds(seconds=0), Bounds(most_bytes=5_000)])
def test_a_day_that_is_too_much_is_for_the_command(
    staff: Client, today: Day, bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "BOUNDS", bounds)
    page = staff.get("/admin/days/file/", {"day": str(today)}, follow=True).content.decode()
    assert "Export it by the command" in page
    assert (
        "has not begun"
        in staff.get("/admin/days/file/?day=2999-01-01", follow=True).content.decode()
    )


def test_one_day_is_exported_at_a_time(staff: Client, today: Day) -> None:
    with only_one(Turn.EXPORT_DAY):
        page = staff.get("/admin/days/file/", {"day": str(today)}, follow=True).content.decode()
    assert "Another day is being exported" in page


def test_a_day_before_the_first_is_empty_and_sound(staff: Client, tmp_path: Path) -> None:
    answer = staff.get("/admin/days/file/", {"day": "2001-01-01"})
    path = tmp_path / "empty.zip"
    path.write_bytes(b"".join(answer.streaming_content))
    call_command("verify_audit", "--bundle", str(path))
