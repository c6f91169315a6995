"""axe-core finds nothing serious on pages of each kind, wide and dark or narrow and light.

A page is loaded once and looked at in both ways, by the regulator, who sees all that there is. The
sidebar is the same on all pages, so it is looked at on the dashboard alone.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, Page, StorageState
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from risk.models import RiskPolicy
from tests.console import doubt, quoted, watch
from tests.system.browser.test_console import address
from trading.models import Order

pytestmark = pytest.mark.django_db
DESK: Final = {"width": 1280, "height": 800}
PHONE: Final = {"width": 390, "height": 844}
#: In which ways pages are looked at.
WAYS: Final = ((DESK, "dark"), (PHONE, "light"))
SERIOUS: Final = {"serious", "critical"}
OPTIONS: Final = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
    "iframes": False,
}
#: Colours on their way from one to the other are nobody's fault.
AT_ONCE: Final = "* { transition: none !important }"
FIND: Final = """([options, whole]) => axe.run({exclude: whole ? [] : [["#nav-sidebar"]]}, options)
    .then(({violations}) => violations.map(({id, impact, nodes}) =>
        ({id, impact, where: nodes.slice(0, 3).map(({html}) => html.slice(0, 150))})))"""


@pytest.fixture(scope="module")
def watched(exchange: LiveServer) -> LiveServer:
    """The exchange with a price halt, a parked answer, checks and an alert as well."""
    quoted("ETHUSDT", "1")
    doubt(Order.objects.filter(status="FILLED").latest("id"))
    watch()
    return exchange


def kinds_of_pages() -> Iterator[str]:
    """Yield a page of each kind: the dashboard, pages of their own, a list, a record, a history."""
    yield from (reverse("admin:index"), "/admin/search/?q=beginner", "/admin/no/such/")
    yield from (reverse("leverage"), reverse("days"))
    account = Account.objects.get(user__username="beginner")
    yield address(Account, "changelist")
    yield address(Account, "change", account.pk)
    yield address(RiskPolicy, "history", 1)
    yield address(Account, "history", account.pk)


def serious(page: Page, *, whole: bool) -> list[Any]:
    found = page.evaluate(FIND, [OPTIONS, whole])
    return [one for one in found if one["impact"] in SERIOUS]


def look(page: Page, path: str) -> list[Any]:
    """Open a page and return what is serious in each way, with the page and the way."""
    page.goto(path)
    page.evaluate(Axe().axe_script)
    page.add_style_tag(content=AT_ONCE)
    found = []
    for size, theme in WAYS:
        page.set_viewport_size(size)
        page.evaluate("theme => document.documentElement.className = theme", theme)
        whole = path == reverse("admin:index") and size == DESK
        found += [(path, size["width"], theme, one) for one in serious(page, whole=whole)]
    return found


def test_who_signs_in_finds_no_serious_fault(chromium: Browser, exchange: LiveServer) -> None:
    context = chromium.new_context(base_url=exchange.url)
    page = context.new_page()
    found = look(page, reverse("admin:login"))
    context.close()
    assert found == []


def test_no_kind_of_page_has_a_serious_fault(
    chromium: Browser, watched: LiveServer, sessions: dict[str, StorageState]
) -> None:
    context = chromium.new_context(
        base_url=watched.url,
        viewport=DESK,  # type: ignore[arg-type]
        storage_state=sessions["regulator"],
        reduced_motion="reduce",
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    found = [one for path in kinds_of_pages() for one in look(page, path)]
    context.close()
    assert found == []
