"""The API docs in a real browser: from nothing to an order with an API key and two clicks."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.system.browser.conftest import Complaints

pytestmark = pytest.mark.django_db
DocsIn = Callable[..., Page]


@pytest.fixture
def docs_in(chromium: Browser, exchange: LiveServer) -> Iterator[DocsIn]:
    """Open the docs in a window of their own; the test fails on any complaint of the page."""
    complaints, contexts = Complaints(), []

    def show(theme: str = "light", *, width: int = 1280) -> Page:
        context = chromium.new_context(
            base_url=exchange.url,
            viewport={"width": width, "height": 800},
            color_scheme="dark" if theme == "dark" else "light",
        )
        contexts.append(context)
        page = context.new_page()
        complaints.listen_to(page, home=exchange.url)
        page.goto("/docs")
        expect(placing(page).get_by_role("button", name="Execute")).to_be_visible(timeout=30_000)
        return page

    yield show
    for context in contexts:
        context.close()
    # A refused login is what one of the tests is about.
    assert [told for told in complaints if "401 (Unauthorized)" not in told] == []


def placing(page: Page) -> Locator:
    """Return the call that places an order."""
    return page.locator("#operations-orders-orders_create")


def sign_in(page: Page, key: str) -> None:
    page.locator(".auth-wrapper button.authorize").click()
    page.keyboard.type(key)
    page.keyboard.press("Enter")


def execute(page: Page) -> None:
    placing(page).get_by_role("button", name="Execute").click()
    answer = placing(page).locator(".live-responses-table .response pre").first
    expect(answer).to_contain_text('"FILLED"', timeout=30_000)


def asked_for_tokens(page: Page) -> list[str]:
    """Return a list that grows with each token that the page asks for from now on."""
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if r.url.endswith("/auth/token") else None)
    return asked


def test_an_api_key_and_two_clicks_place_an_order(docs_in: DocsIn) -> None:
    page = docs_in()
    asked = asked_for_tokens(page)
    sign_in(page, "advanced-key")
    expect(page.locator(".dialog-ux")).to_have_count(0)
    execute(page)
    page.reload()
    execute(page)
    assert len(asked) == 1, "the token is kept over a reload"
    page.evaluate(
        "sessionStorage.setItem('exchange-docs-login', JSON.stringify({key: 'advanced-key',"
        " token: 'that.ran.out', until: Date.now() - 1}))"
    )
    page.reload()
    execute(page)
    assert len(asked) == 2, "one that ran out is fetched anew"


def test_a_wrong_key_is_told_where_it_was_typed_and_signing_out_forgets_the_right_one(
    docs_in: DocsIn,
) -> None:
    page = docs_in()
    sign_in(page, "no-such-key")
    expect(page.locator(".dialog-ux")).to_contain_text("unknown or revoked")
    page.fill("#auth-bearer-value", "advanced-key")
    page.keyboard.press("Enter")
    expect(page.locator(".dialog-ux")).to_have_count(0)
    page.locator(".auth-wrapper button.authorize").click()
    page.locator(".auth-btn-wrapper").get_by_text("Logout").click()
    assert page.evaluate("sessionStorage.getItem('exchange-docs-login')") == "{}"


def test_the_first_tag_is_auth_and_the_page_follows_the_theme(docs_in: DocsIn) -> None:
    page = docs_in("dark", width=390)
    assert page.locator(".opblock-tag").first.get_attribute("data-tag") == "auth"
    background = "getComputedStyle(document.querySelector('.swagger-ui')).backgroundColor"
    assert page.evaluate(background) == "rgb(28, 32, 34)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("script:not([src]), style:not([data-emotion])").count() == 0
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{background} !== 'rgb(28, 32, 34)'")
