"""Chromium against a live server; whatever a page complains of fails the test that opened it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client, override_settings
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from exchange_poc.launcher.local_dir import PROJECT_ROOT
from kpi.services import record_heartbeat
from tests.conftest import Restore
from tests.console import seeded
from tests.kept import put_marked_now
from tests.system.deployment.processes import end_group, free_port
from tests.system.trials.conftest import environment_of_processes
from tests.system.web.conftest import accepts
from tests.waiting import wait_for

__all__ = ["seeded"]
#: The first one found is driven; the one without a window system takes a third less processor.
BROWSERS = ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium")
PASSWORD = "a-password-of-the-tests"
#: What the browser says of an address where nobody listens, or whose server ends meanwhile.
LOST = "Failed to load resource: net::ERR_"
#: A blur of all that lies below a dialog takes a second of processor to draw, and says nothing.
CLEAR = """
const sheet = new CSSStyleSheet();
sheet.replaceSync("* { backdrop-filter: none !important }");
document.adoptedStyleSheets.push(sheet);
"""


def is_required() -> bool:
    """Whether a machine without a browser fails these tests instead of skipping them."""
    return os.environ.get("CI") in {"1", "true"} or "REQUIRE_BROWSER" in os.environ


@pytest.fixture(scope="package", autouse=True)
def allow_database_beside_playwright() -> Iterator[None]:
    """Playwright's synchronous API runs an event loop, in which Django refuses queries."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(os.path.exists, BROWSERS), BROWSERS[0])
    if not os.path.exists(path):
        told = f"No browser at {path}: install chromium-headless-shell or set CHROMIUM to its path."
        pytest.fail(told) if is_required() else pytest.skip(told)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def exchange(
    chromium: Browser, seeded: str, restore_database: Restore, django_db_blocker: DjangoDbBlocker
) -> Iterator[LiveServer]:
    """A server of a seeded exchange with something on every page, one for all tests of a file."""
    # The stream server's port, at which nothing listens unless a test starts one.
    with django_db_blocker.unblock(), override_settings(STREAM_PORT=free_port()):
        # These tests read inside a transaction; what the server sees is committed here.
        put_marked_now(seeded)
        record_heartbeat()
        set_staff_password("admin")
        set_staff_password("regulator")
        server = serve()
        yield server
        server.stop()
        restore_database()
        # While playwright's loop runs, Django keeps connections apart from those of other tests.
        connection.close()


def serve() -> LiveServer:
    """Start a server whose static files come from WhiteNoise, as in production, and are cached."""
    server = LiveServer("localhost", start=False)
    server.thread.static_handler = lambda application: application
    server.start()
    return server


def set_staff_password(username: str) -> None:
    user = User.objects.get(username=username)
    user.password = make_password(PASSWORD, hasher="md5")
    user.save(update_fields=["password"])


DashboardOf = Callable[..., Page]


def stream_address() -> str:
    """Return where the pages' stream is served, the one other address that they may ask."""
    return f"http://localhost:{settings.STREAM_PORT}/stream?"


class Complaints(list[str]):
    """What the pages of a browser context complained of: scripts, missing files, other hosts.

    That the stream server is away, or ends, is none: the page says so itself.
    """

    def listen_to(self, page: Page, *, home: str) -> None:
        page.on("pageerror", lambda error: self.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self.hear(page, message))
        page.on("request", lambda request: self.watch(page, request.url, home))

    def hear(self, page: Page, message: Any) -> None:
        is_lost = message.text.startswith(LOST)
        if is_lost and message.location["url"].startswith(stream_address()):
            return
        if message.type in {"error", "warning"}:
            self.append(f"{page.url}: {message.type}: {message.text}")

    def watch(self, page: Page, url: str, home: str) -> None:
        if not url.startswith((home + "/", "data:", "blob:", stream_address())):
            self.append(f"{page.url} asked another host: {url}")


@pytest.fixture(scope="module")
def sessions(exchange: LiveServer, django_db_blocker: DjangoDbBlocker) -> dict[str, StorageState]:
    """What the browser keeps of the demo's superuser and regulator once they have logged in."""
    with django_db_blocker.unblock():
        return {username: session_of(username) for username in ("admin", "regulator")}


def session_of(username: str) -> StorageState:
    client = Client()
    client.force_login(User.objects.get(username=username))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    return {
        "cookies": [
            {
                "name": cookie.key,
                "value": cookie.value,
                "domain": "localhost",
                "path": "/",
                "expires": -1,
                "httpOnly": True,
                "secure": False,
                "sameSite": "Lax",
            }
        ],
        "origins": [],
    }


@pytest.fixture
def dashboard_of(
    chromium: Browser, exchange: LiveServer, sessions: dict[str, StorageState]
) -> Iterator[DashboardOf]:
    """Open the dashboard, or another page: ``dashboard_of("admin", "/admin/days/")``.

    The test fails on any complaint of a page of these windows.
    """
    complaints, contexts = Complaints(), []

    def enter(username: str, path: str = "/admin/") -> Page:
        context = chromium.new_context(
            base_url=exchange.url,
            viewport={"width": 1280, "height": 800},
            storage_state=sessions[username],
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        context.add_init_script(CLEAR)
        context.on("page", lambda page: complaints.listen_to(page, home=exchange.url))
        page = context.new_page()
        page.goto(path)
        return page

    yield enter
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def staff(dashboard_of: DashboardOf) -> Page:
    """The dashboard as the demo's superuser sees it."""
    return dashboard_of("admin")


@pytest.fixture
def stream_server(exchange: LiveServer) -> Iterator[subprocess.Popen[str]]:
    """The stream server that the pages ask."""
    own = {"STREAM_PORT": str(settings.STREAM_PORT), "DJANGO_SECRET_KEY": settings.SECRET_KEY}
    process = subprocess.Popen(
        [sys.executable, "-m", "exchange_poc.stream"],
        cwd=PROJECT_ROOT,
        env=environment_of_processes() | own,
        start_new_session=True,
        text=True,
    )
    try:
        await_stream()
        yield process
    finally:
        end_group(process)


def await_stream() -> None:
    address = ("127.0.0.1", settings.STREAM_PORT)
    wait_for(lambda: accepts(address), what="the stream server", seconds=60)


def log_in(page: Page, username: str) -> Page:
    page.goto("/admin/")
    page.fill("#id_username", username)
    page.fill("#id_password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("#dashboard-status")).to_contain_text("updated")
    return page
