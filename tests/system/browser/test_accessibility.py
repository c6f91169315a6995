"""Pages open without a complaint, and axe-core finds nothing serious on those of each kind.

A page is loaded once and looked at both wide and dark and narrow and light, by the regulator, who
sees all that there is, and forms and every dialog by staff, who alone have them. The sidebar is the
same on all pages, so it is looked at on the dashboard alone. Then the rest is opened, where it has
something of a kind which no page before had.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse
from playwright.sync_api import Browser, Page, StorageState, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, ApiKey, User
from market.models import Instrument, MarketClock
from risk.models import RiskPolicy
from tests.console import quoted
from tests.system.browser.conftest import Complaints, log_in
from tests.system.browser.test_console import address

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
#: Colours on their way from one to the other are nobody's fault, and a blur takes long to draw.
AT_ONCE: Final = "* { transition: none !important; backdrop-filter: none !important }"
#: What is not looked at is walked through nonetheless; its frame keeps its place.
EMPTY: Final = "document.getElementById('nav-sidebar')?.replaceChildren()"
FIND: Final = """([options, part]) => axe.run(part, options)
    .then(({violations}) => violations.map(({id, impact, nodes}) =>
        ({id, impact, where: nodes.slice(0, 3).map(({html}) => html.slice(0, 150))})))"""
WHOLE: Final[dict[str, Any]] = {"exclude": []}
BUT_SIDEBAR: Final = {"exclude": [["#nav-sidebar"]]}
DIALOG: Final = {"include": [["#modal-content"]]}
#: A script, a file, the name of an attribute that scripts read, or one with an expression of its
#: own; a field of a kind.
PART: Final = re.compile(
    r"<script[^>]*>[^<]*|<(?:link|img|iframe)[^>]*>|\s(?:hx|data)-[\w-]+(?==)"
    r'|\s(?:x-|on|@|:)[\w:.-]+="[^"]*"|\btype="\w+"|class="v[A-Z]\w+'
)
#: Shows the dialog of an action by a button of another, in place of the one before.
SHOW: Final = """path => {
    const place = document.getElementById("modal-content");
    place.replaceChildren();
    const source = document.querySelector('[hx-target="#modal-content"]');
    return htmx.ajax("GET", path, {source, target: place, select: "#dialog"});
}"""
#: There is no such page, as the browser says, too.
MISSING: Final = "/admin/no/such/"
#: What some pages have besides; an account's dialogs are those of a user's account.
CHOSEN: Final[dict[type[Model], dict[str, Any]]] = {
    Account: {"user__username": "beginner"},
    Instrument: {"symbol": "ETHUSDT"},
    User: {"username": "beginner"},
}


@pytest.fixture(scope="module")
def watched(exchange: LiveServer) -> LiveServer:
    """The exchange with an instrument that is halted by its price."""
    quoted("ETHUSDT", "1")
    return exchange


@dataclass(slots=True)
class Walk:
    """A window for each of staff; what scripts act on in the pages opened so far; complaints."""

    browser: Browser
    home: str
    sessions: dict[str, StorageState]
    pages: dict[str, Page] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    complaints: Complaints = field(default_factory=Complaints)

    def window_of(self, username: str) -> Page:
        if username not in self.pages:
            context = self.browser.new_context(
                base_url=self.home,
                viewport=DESK,  # type: ignore[arg-type]
                storage_state=self.sessions[username],
                reduced_motion="reduce",
            )
            context.set_default_timeout(60_000)
            page = self.pages[username] = context.new_page()
            self.complaints.listen_to(page, home=self.home)
        return self.pages[username]

    def go(self, page: Page, path: str) -> None:
        """Open a page and note what it has."""
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (404 if path == MISSING else 200), path
        self.opened.append(path)
        self.tells_more(answer.text())

    def tells_more(self, html: str) -> bool:
        """Note what a page loads, and what scripts act on, whatever the figures."""
        parts = {re.sub(r"\d+", "0", part) for part in PART.findall(html)}
        is_more = not parts <= self.seen
        self.seen |= parts
        return is_more

    def close(self) -> None:
        for page in self.pages.values():
            page.context.close()


@pytest.fixture(scope="module")
def walked(
    chromium: Browser, watched: LiveServer, sessions: dict[str, StorageState]
) -> Iterator[Walk]:
    walk = Walk(chromium, watched.url, sessions)
    yield walk
    walk.close()


@pytest.fixture
def walk(walked: Walk) -> Iterator[Walk]:
    """The walk through the console, of which no page may complain during a test."""
    yield walked
    told, walked.complaints[:] = list(walked.complaints), []
    assert [one for one in told if not one.startswith(f"{walked.home}{MISSING}: error")] == []


def kinds_of_pages() -> Iterator[str]:
    """Yield a page of each kind: the dashboard, pages of their own, a list, a record, a history."""
    yield from (reverse("admin:index"), "/admin/search/?q=beginner", MISSING)
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
    """Return what is serious in each way on a page that is open, with the page and the way."""
    prepare(page)
    found = []
    for size, theme in WAYS:
        dress(page, size, theme)
        part = WHOLE if path == reverse("admin:index") and size == DESK else BUT_SIDEBAR
        if part == BUT_SIDEBAR:
            page.evaluate(EMPTY)
        found += [(path, size["width"], theme, one) for one in serious(page, part)]
    return found


def prepare(page: Page) -> None:
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
    page.goto(reverse("admin:login"))
    found = look(page, reverse("admin:login"))
    log_in(page, "admin")
    context.close()
    assert found == []


def test_no_kind_of_page_has_a_serious_fault(walk: Walk) -> None:
    assert looked_at(walk, "regulator", kinds_of_pages()) == []


def test_no_form_has_a_serious_fault(walk: Walk) -> None:
    account = address(Account, "change", Account.objects.get(user__username="beginner").pk)
    assert looked_at(walk, "admin", [*kinds_of_forms(), account]) == []


def test_no_dialog_has_a_serious_fault(walk: Walk) -> None:
    page, found = walk.window_of("admin"), list[Any]()
    # A short page: what lies below a dialog is blurred, and walked through, for each of them.
    walk.go(page, address(MarketClock, "changelist"))
    prepare(page)
    page.evaluate(EMPTY)
    walked = list(dialogs())
    # They are alike, so that every other one is looked at in either way.
    for turn, (size, theme) in enumerate(WAYS):
        dress(page, size, theme)
        for path in walked[turn :: len(WAYS)]:
            open_dialog(page, path)
            found += [(path, theme, one) for one in serious(page, DIALOG)]
    assert found == []
    actions = {path.rstrip("/").rpartition("/")[2] for path in walked}
    assert {"start", "suspend", "halt", "reduce", "resume", "change_tier", "cancel"} <= actions
    assert {"rotate", "change_terms", "revoke", "release", "deposit", "set_price"} <= actions


def test_every_page_opens(walk: Walk) -> None:
    """Each answers, and those are shown that have something of a kind which none before had."""
    page = walk.window_of("admin")
    page.set_viewport_size(DESK)
    paths = ["/admin/accounts/user/add/", "/admin/market/instrument/add/"]
    for model in admin.site._registry:
        paths.append(address(model, "changelist"))
        row = model.objects.order_by("-pk").first()
        if row is not None:
            paths.append(address(model, "change", row.pk))
    for path in paths:
        told = page.request.get(path)
        assert told.status == 200, path
        if walk.tells_more(told.text()):
            walk.go(page, path)
            expect(page.locator("#content")).to_be_visible()
    assert len(walk.opened) >= 12, walk.opened
    assert any(path.endswith("/change/") for path in walk.opened)


def looked_at(walk: Walk, username: str, paths: Iterable[str]) -> list[Any]:
    page, found = walk.window_of(username), list[Any]()
    for path in paths:
        walk.go(page, path)
        found += look(page, path)
    return found
