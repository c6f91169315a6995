"""The price charts in a real browser, as staff and the regulator see them, and on a phone."""

from itertools import cycle

import pytest
from django.urls import reverse
from playwright.sync_api import Page, ViewportSize, expect

from accounts.models import User
from risk.models import Position
from tests.system.browser.conftest import DashboardOf
from trading.models import Liquidation

pytestmark = pytest.mark.django_db
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 390, "height": 844}
WIDTH = "document.documentElement.scrollWidth"
#: How wide the chart is.
DRAWN = "document.querySelector('.path canvas').closest('table').clientWidth"


def pages() -> list[str]:
    """An account that was closed out, the close-out, its position, and an instrument."""
    done = Liquidation.objects.get()
    position = Position.objects.get(account=done.account, status="LIQUIDATED")
    return [
        reverse("admin:accounts_account_change", args=[done.account_id]),
        reverse("admin:trading_liquidation_change", args=[done.pk]),
        reverse("admin:risk_position_change", args=[position.pk]),
        reverse("admin:market_instrument_change", args=[position.instrument_id]),
    ]


def open_chart(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator(".path canvas").first).to_be_visible()
    expect(page.locator(".path [data-part=legend]")).to_contain_text("UTC")


def test_the_charts_are_drawn_with_a_table_of_their_numbers(dashboard_of: DashboardOf) -> None:
    """Each page is opened on a phone and made as wide as a desk, by either of staff in turns."""
    windows = [dashboard_of(username, "about:blank") for username in ("regulator", "admin")]
    for page, path in zip(cycle(windows), pages(), strict=False):
        page.set_viewport_size(PHONE)
        open_chart(page, path)
        assert page.evaluate(WIDTH) <= PHONE["width"], path
        expect(page.locator(".path [data-part=key]")).to_contain_text("Closed out")
        page.locator(".path summary").click()
        told = page.locator(".path [data-part=table]")
        expect(told).to_contain_text("losed out")
        expect(told).to_contain_text("50,000")
        assert page.evaluate(WIDTH) <= PHONE["width"], path
        page.set_viewport_size(DESK)
        page.wait_for_function(f"{DRAWN} > {PHONE['width']}")
        assert page.evaluate(WIDTH) <= DESK["width"], path


def test_a_window_and_an_instrument_are_chosen(dashboard_of: DashboardOf) -> None:
    account = User.objects.get(username="beginner").account
    staff = dashboard_of("admin", "about:blank")
    open_chart(staff, reverse("admin:accounts_account_change", args=[account.pk]))
    chart = staff.locator(".path")
    chart.get_by_role("button", name="1h").click()
    expect(chart).to_have_attribute("data-window", "1h")
    chart.get_by_role("button", name="BTCUSDT").click()
    expect(chart.get_by_role("button", name="BTCUSDT")).to_have_attribute("aria-pressed", "true")
    expect(chart.locator("[data-part=key]")).to_contain_text("Order refused")
    staff.evaluate("document.documentElement.classList.toggle('dark')")
    expect(chart.locator("canvas").first).to_be_visible()
