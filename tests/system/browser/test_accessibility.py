"""axe-core finds nothing serious on pages of each kind, wide and dark or narrow and light.

A page is loaded once and looked at in both ways, by the regulator, who sees all that there is, and
forms and every dialog by staff, who alone have them. The sidebar is the same on all pages, so it is
looked at on the dashboard alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse
from playwright.sync_api import Browser, Page, StorageState
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, ApiKey, User
from market.models import Instrument, MarketClock
from risk.models import RiskPolicy
from tests.console import doubt, quoted, watch
from tests.kpi.lab.stored import store
from tests.system.browser.conftest import log_in
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
    "preload": False,  # what this fetches style sheets anew for is experimental
}
#: Colours on their way from one to the other are nobody's fault.
AT_ONCE: Final = "* { transition: none !important }"
FIND: Final = """([options, part]) => axe.run(part, options)
    .then(({violations}) => violations.map(({id, impact, nodes}) =>
        ({id, impact, where: nodes.slice(0, 3).map(({html}) => html.slice(0, 150))})))"""
WHOLE: Final[dict[str, Any]] = {"exclude": []}
BUT_SIDEBAR: Final = {"exclude": [["#nav-sidebar"]]}
DIALOG: Final = {"include": [["#modal-content"]]}
#: Shows the dialog of an action by a button of another, in place of the one before.
SHOW: Final = """path => {
    const place = document.getElementById("modal-content");
    place.replaceChildren();
    const source = document.querySelector('[hx-target="#modal-content"]');
    return htmx.ajax("GET", path, {source, target: place, select: "#dialog"});
}"""
#: What some pages have besides; an account's dialogs are those of a user's account.
CHOSEN: Final[dict[type[Model], dict[str, Any]]] = {
    Account: {"user__username": "beginner"},
    Instrument: {"symbol": "ETHUSDT"},
    User: {"username": "beginner"},
}


@pytest.fixture(scope="module")
def watched(exchange: LiveServer) -> LiveServer:
    """The exchange with a price halt, a parked answer, checks, an alert and a study as well."""
    quoted("ETHUSDT", "1")
    doubt(Order.objects.filter(status="FILLED").latest("id"))
    watch()
    store()
    return exchange


def kinds_of_pages() -> Iterator[str]:
    """Yield a page of each kind: the dashboard, pages of their own, a list, a record, a history."""
    yield from (reverse("admin:index"), "/admin/search/?q=beginner", "/admin/no/such/")
    yield from (reverse("leverage"), reverse("days"))
    account = Account.objects.get(user__username="beginner")
    yield address(Account, "changelist")
    yield address(Account, "change", account.pk)
    yield address(Instrument, "change", Instrument.objects.get(symbol="BTCUSDT").pk)
    yield address(RiskPolicy, "history", 1)
    yield address(Account, "history", account.pk)


def kinds_of_forms() -> Iterator[str]:
    """Yield forms with a widget of each kind: a searched choice, filtered choices, a password."""
    yield address(ApiKey, "add")
    yield address(Group, "add")
    yield address(Group, "change", Group.objects.get(name="regulator").pk)
    yield address(User, "change", User.objects.get(username="beginner").pk)


def dialogs() -> Iterator[str]:
    """Yield the address of the dialog of each action that any page has."""
    for model, page in admin.site._registry.items():
        addresses: dict[str, list[Any]] = {name: [] for name in page.actions_list or ()}  # type: ignore[attr-defined]
        if names := page.actions_detail:  # type: ignore[attr-defined]
            row = model._default_manager.filter(**CHOSEN.get(model, {})).latest("pk")
            addresses |= {name: [row.pk] for name in names}
        for name, keys in addresses.items():
            if hasattr(getattr(page, name), "dialog"):
                yield reverse(
                    f"admin:{model._meta.label_lower.replace('.', '_')}_{name}", args=keys
                )


def serious(page: Page, part: dict[str, Any]) -> list[Any]:
    found = page.evaluate(FIND, [OPTIONS, part])
    return [one for one in found if one["impact"] in SERIOUS]


def look(page: Page, path: str) -> list[Any]:
    """Open a page and return what is serious in each way, with the page and the way."""
    go(page, path)
    found = []
    for size, theme in WAYS:
        dress(page, size, theme)
        part = WHOLE if path == reverse("admin:index") and size == DESK else BUT_SIDEBAR
        found += [(path, size["width"], theme, one) for one in serious(page, part)]
    return found


def go(page: Page, path: str) -> None:
    """Open a page and have it ready to be looked at."""
    page.goto(path)
    page.evaluate(Axe().axe_script)
    page.add_style_tag(content=AT_ONCE)


def dress(page: Page, size: Any, theme: str) -> None:
    page.set_viewport_size(size)
    page.evaluate("theme => document.documentElement.className = theme", theme)


def open_dialog(page: Page, path: str) -> None:
    """Open a dialog on a page that has one of its own."""
    page.evaluate(SHOW, path)
    page.locator("#modal-content h2").wait_for()


def test_who_signs_in_finds_no_serious_fault(chromium: Browser, exchange: LiveServer) -> None:
    context = chromium.new_context(base_url=exchange.url)
    page = context.new_page()
    found = look(page, reverse("admin:login"))
    log_in(page, "admin")
    context.close()
    assert found == []


def test_no_kind_of_page_has_a_serious_fault(
    chromium: Browser, watched: LiveServer, sessions: dict[str, StorageState]
) -> None:
    page = page_of(chromium, watched, sessions["regulator"])
    found = looked_at(page, kinds_of_pages())
    page.context.close()
    assert found == []


def test_no_form_has_a_serious_fault(
    chromium: Browser, watched: LiveServer, sessions: dict[str, StorageState]
) -> None:
    page = page_of(chromium, watched, sessions["admin"])
    account = address(Account, "change", Account.objects.get(user__username="beginner").pk)
    found = looked_at(page, [*kinds_of_forms(), account])
    page.context.close()
    assert found == []


def test_no_dialog_has_a_serious_fault(
    chromium: Browser, watched: LiveServer, sessions: dict[str, StorageState]
) -> None:
    page, found = page_of(chromium, watched, sessions["admin"]), list[Any]()
    # A short page: what lies below a dialog is blurred, and walked through, for each of them.
    go(page, address(MarketClock, "changelist"))
    walked = list(dialogs())
    # They are alike, so that every other one is looked at in either way.
    for turn, (size, theme) in enumerate(WAYS):
        dress(page, size, theme)
        for path in walked[turn :: len(WAYS)]:
            open_dialog(page, path)
            found += [(path, theme, one) for one in serious(page, DIALOG)]
    page.context.close()
    assert found == []
    actions = {path.rstrip("/").rpartition("/")[2] for path in walked}
    assert {"start", "suspend", "halt", "reduce", "resume", "change_tier", "cancel"} <= actions
    assert {"rotate", "change_terms", "revoke", "release", "deposit", "set_price"} <= actions


def page_of(chromium: Browser, server: LiveServer, session: StorageState) -> Page:
    context = chromium.new_context(
        base_url=server.url,
        viewport=DESK,  # type: ignore[arg-type]
        storage_state=session,
        reduced_motion="reduce",
    )
    context.set_default_timeout(60_000)
    return context.new_page()


def looked_at(page: Page, paths: Iterable[str]) -> list[Any]:
    return [one for path in paths for one in look(page, path)]
