"""The slider of the leverage page in a real browser, while somebody else's move is worked out."""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Response, StorageState, expect
from pytest_django.live_server_helper import LiveServer

from market.kernel.turns import Turn, only_one

pytestmark = pytest.mark.django_db


def test_the_latest_move_is_answered_once(
    chromium: Browser, exchange: LiveServer, sessions: dict[str, StorageState]
) -> None:
    context = chromium.new_context(base_url=exchange.url, storage_state=sessions["admin"])
    page, answered = context.new_page(), list[str]()

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
    context.close()
