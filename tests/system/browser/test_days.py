"""A day is taken along in a real browser, by staff and regulators, on a phone too."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.system.browser.conftest import DashboardOf

pytestmark = pytest.mark.django_db
PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("username", ["admin", "regulator"])
def test_a_day_is_downloaded_and_sound(
    dashboard_of: DashboardOf, username: str, tmp_path: Path
) -> None:
    page = dashboard_of(username, "/admin/days/")
    page.set_viewport_size(PHONE)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    with page.expect_download() as started:
        page.locator("[data-panel=days] td a").first.click()
    path = tmp_path / started.value.suggested_filename
    started.value.save_as(path)
    assert path.name == f"exchange-{timezone.now():%Y-%m-%d}.zip"
    call_command("verify_audit", "--bundle", str(path))
