"""The slider of the leverage page in a real browser, while somebody else's move is worked out."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, StorageState, expect
from pytest_django.live_server_helper import LiveServer

from market.kernel.turns import Turn, only_one

pytestmark = pytest.mark.django_db


WHAT_IF: Final = "**/leverage/what-if/?*"
#: Keeps when the page asked, by its own clock.
NOTE_TIMES: Final = """
const { fetch } = window;
window.times = [];
window.fetch = (...asked) => (times.push(Date.now()), fetch(...asked));
"""


@pytest.fixture
def page(
    chromium: Browser, exchange: LiveServer, sessions: dict[str, StorageState]
) -> Iterator[Page]:
    context = chromium.new_context(base_url=exchange.url, storage_state=sessions["admin"])
    yield context.new_page()
    context.close()


def test_the_latest_move_is_answered_once(page: Page) -> None:
    answered = list[str]()

    def hear(response: Response) -> None:
        address = urlsplit(response.url)
        if address.path.endswith("/what-if/") and response.status == 200:
            answered.extend(parse_qs(address.query)["move"])

    page.on("response", hear)
    page.goto("/admin/leverage/?move=-5")
    move = page.get_by_label("Move in percent")
    with only_one(Turn.WHAT_IF):
        with page.expect_response(lambda response: response.status == 429):
            move.fill("-7")
        move.fill("-9")
    expect(page.locator("#what-if-said")).to_contain_text("fell by 9 %")
    expect(page.locator("#what-if")).not_to_have_attribute("aria-busy", "true")
    assert answered.count("-9") == 1
    assert parse_qs(urlsplit(page.url).query)["move"] == ["-9"]


def test_a_slider_that_is_never_answered_asks_less_often_and_gives_up(page: Page) -> None:
    busy = {"detail": "Another move is being worked out.", "code": "busy"}
    page.clock.install()
    page.add_init_script(NOTE_TIMES)
    page.route(WHAT_IF, lambda route: route.fulfill(status=429, json=busy))
    page.goto("/admin/leverage/?move=-5")
    page.get_by_label("Move in percent").fill("-7")
    trouble = page.locator("#what-if-trouble")
    while not trouble.is_visible():
        assert page.evaluate("times.length") < 30
        page.clock.run_for(500)
    *_, last_but_one, last = page.evaluate("times")
    assert last - last_but_one >= 5_000
    expect(trouble).to_have_text(
        "No answer: other moves are being worked out all the time; move the slider to ask again."
    )
    expect(page.locator("#what-if")).not_to_have_attribute("aria-busy", "true")


def test_an_answer_in_another_s_words_is_told_in_plain_ones(page: Page) -> None:
    page.route(WHAT_IF, lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    page.goto("/admin/leverage/?move=-5")
    page.get_by_label("Move in percent").fill("-7")
    trouble = page.locator("#what-if-trouble")
    expect(trouble).to_have_text("No answer: the exchange is not ready (502); try again later.")
    page.unroute(WHAT_IF)
    page.route(WHAT_IF, lambda route: route.abort())
    page.get_by_label("Move in percent").fill("-8")
    expect(trouble).to_have_text("No answer: the exchange cannot be reached.")
