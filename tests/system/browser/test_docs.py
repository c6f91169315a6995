"""The API docs in a real browser: from nothing to an order with an API key and two clicks."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from exchange_poc.settings import ACCESS_TOKEN_LIFETIME
from tests.system.browser.conftest import Complaints

pytestmark = pytest.mark.django_db
#: The page's colour behind all that it shows, and what it is in the dark.
BACKGROUND = "getComputedStyle(document.querySelector('.swagger-ui')).backgroundColor"
DARK = "rgb(28, 32, 34)"


@pytest.fixture
def docs(chromium: Browser, exchange: LiveServer) -> Iterator[Page]:
    """The docs on a phone in the dark; the test fails on any complaint of the page."""
    complaints = Complaints()
    context = chromium.new_context(
        base_url=exchange.url, viewport={"width": 390, "height": 800}, color_scheme="dark"
    )
    page = context.new_page()
    complaints.listen_to(page, home=exchange.url)
    page.goto("/docs")
    expect(placing(page).get_by_role("button", name="Execute")).to_be_visible(timeout=30_000)
    yield page
    context.close()
    # A refused login is what a part of the test is about.
    assert [told for told in complaints if "401 (Unauthorized)" not in told] == []


def placing(page: Page) -> Locator:
    """Return the call that places an order."""
    return page.locator("#operations-orders-orders_create")


def execute(page: Page) -> None:
    with page.expect_response("**/orders"):
        placing(page).get_by_role("button", name="Execute").click()
    answer = placing(page).locator(".live-responses-table .response pre").first
    expect(answer).to_contain_text('"FILLED"', timeout=30_000)


def asked_for_tokens(page: Page) -> list[str]:
    """Return a list that grows with each token that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/auth/token") else None)
    return asked


def test_the_page_fits_its_reader_and_an_api_key_and_two_clicks_place_an_order(docs: Page) -> None:
    """Swagger takes long to load, so that all is asked of one page, which is loaded twice."""
    fits_a_phone_and_follows_the_theme(docs)
    docs.set_viewport_size({"width": 1280, "height": 800})
    a_wrong_key_is_told_where_it_was_typed(docs)
    asked = asked_for_tokens(docs)
    docs.fill("#auth-bearer-value", "advanced-key")
    docs.keyboard.press("Enter")
    expect(docs.locator(".dialog-ux")).to_have_count(0)
    execute(docs)
    docs.reload()
    execute(docs)
    assert len(asked) == 1, "the token is kept over a reload"
    docs.clock.set_fixed_time(timezone.now() + ACCESS_TOKEN_LIFETIME)
    execute(docs)
    assert len(asked) == 2, "one that ran out is fetched anew"
    signing_out_forgets_the_key(docs)


def fits_a_phone_and_follows_the_theme(page: Page) -> None:
    assert page.locator(".opblock-tag").first.get_attribute("data-tag") == "auth"
    assert page.evaluate(BACKGROUND) == DARK
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("script:not([src]), style:not([data-emotion])").count() == 0
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{BACKGROUND} !== '{DARK}'")


def a_wrong_key_is_told_where_it_was_typed(page: Page) -> None:
    page.locator(".auth-wrapper button.authorize").click()
    page.keyboard.type("no-such-key")
    page.keyboard.press("Enter")
    expect(page.locator(".dialog-ux")).to_contain_text("unknown or revoked")


def signing_out_forgets_the_key(page: Page) -> None:
    page.locator(".auth-wrapper button.authorize").click()
    page.locator(".auth-btn-wrapper").get_by_text("Logout").click()
    assert page.evaluate("sessionStorage.getItem('exchange-docs-login')") == "{}"
