"""The staff console in a real browser: the live dashboard, and what staff change."""

import re
import subprocess
from typing import Any

import psutil
import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from accounts.keys import identify
from accounts.models import Account, ApiKey, User
from market.kernel.states import TradingState
from market.models import Instrument
from risk.services import set_trading_state
from tests.console import D
from tests.system.agents.conftest import committed
from tests.system.browser.conftest import DashboardOf, await_stream
from trading.steps.by_hand import set_price

pytestmark = pytest.mark.django_db
#: How long, in ms, the stream may take on the busiest of machines.
PATIENCE = 180_000
#: In ms, as in live.js: after which the page asks again, and seeks the stream again at the latest.
PAUSE, LONGEST_AGAIN = 5_000, 300_000
PHONE = {"width": 390, "height": 844}


def address(model: Any, page: str, *keys: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=keys)


def open_page(page: Page, path: str) -> None:
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    expect(page.locator("#content")).to_be_visible()


def content_of(page: Page, path: str) -> str:
    """Return the text of a page that is read but not drawn."""
    answer = page.request.get(path)
    assert answer.status == 200, path
    content = answer.text().partition('id="content"')[2]
    return " ".join(re.sub("<[^>]*>", " ", content).split())


def confirm(page: Page, button: str, **fields: str) -> None:
    """Press a button of a record's page, fill its dialog and confirm it."""
    page.locator(
        f"a:has-text('{button}'):visible, button:has-text('{button}'):visible"
    ).first.click()
    dialog = page.locator("#dialog")
    for name, value in fields.items():
        field = dialog.locator(f"[name={name}]")
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    with page.expect_navigation():
        dialog.locator("button[type=submit], button:not([type])").last.click()


def test_the_dashboard_draws_and_keeps_itself_live(staff: Page) -> None:
    status = staff.locator("#dashboard-status")
    expect(status).to_contain_text("without the stream")
    charts = staff.locator("[data-chart] canvas:visible")
    assert charts.count() >= 4
    bitcoin = staff.locator("#dashboard-markets .dashboard-card", has_text="BTCUSDT")
    expect(bitcoin.locator(".value")).not_to_have_text("51,000")
    other = staff.context.new_page()
    open_page(other, reverse("admin:market_marketclock_changelist"))
    bitcoin_id = Instrument.objects.get(symbol="BTCUSDT").pk
    price = {"instrument": str(bitcoin_id), "price": "51000"}
    confirm(other, "Set a mark price", **price, reason="A test")
    expect(bitcoin.locator(".value")).to_have_text("51,000")
    staff.get_by_role("button", name="24h").click()
    expect(staff.get_by_role("button", name="24h")).to_have_attribute("aria-pressed", "true")
    expect(staff).to_have_url(re.compile("window=24h"))
    row = staff.locator("#dashboard-accounts tbody tr").first
    row.locator("a").click()
    expect(staff.locator("#equity-curve canvas")).to_be_visible()


def test_the_dashboard_is_told_by_the_stream_while_there_is_one(
    dashboard_of: DashboardOf, stream_server: subprocess.Popen[str]
) -> None:
    """Also when the process that told it has died and another tells, until the server ends."""
    page = dashboard_of("admin", "about:blank")
    page.clock.install()  # so that the page's pauses pass when the test says so
    page.goto("/admin/")
    status = page.locator("#dashboard-status")
    expect(status).to_contain_text("by the stream", timeout=PATIENCE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ether = page.locator("#dashboard-markets .dashboard-card", has_text="ETHUSDT").locator(".value")
    committed(lambda: set_price(symbol="ETHUSDT", price=D("3210.5")))
    expect(ether).to_have_text("3,210.5", timeout=PATIENCE)
    assert asked == [], "nothing was asked for"
    committed(lambda: set_trading_state(state=TradingState.HALTED, reason="A test"))
    halted = page.locator("#dashboard-attention", has_text="Trading is halted")
    expect(halted).to_be_visible(timeout=PATIENCE)
    committed(lambda: set_trading_state(state=TradingState.ACTIVE, reason="A test"))
    page.get_by_role("button", name="24h").click()
    expect(page.locator("#dashboard-cards")).to_contain_text("in 24h", timeout=PATIENCE)
    expect(halted).to_be_hidden(timeout=PATIENCE)
    [telling] = psutil.Process(stream_server.pid).children()
    telling.kill()
    expect(status).to_contain_text("without the stream", timeout=PATIENCE)
    await_stream()
    page.clock.fast_forward(LONGEST_AGAIN)
    expect(status).to_contain_text("by the stream", timeout=PATIENCE)
    stream_server.terminate()
    expect(status).to_contain_text("without the stream", timeout=PATIENCE)
    committed(lambda: set_price(symbol="ETHUSDT", price=D("3220.5")))
    page.clock.fast_forward(PAUSE)
    expect(ether).to_have_text("3,220.5", timeout=PATIENCE)


def test_the_way_to_a_page_is_seen_whole_however_many_actions_stand_beside_it(
    dashboard_of: DashboardOf,
) -> None:
    account = User.objects.get(username="beginner").account
    staff = dashboard_of("admin", address(Account, "change", account.pk))
    for width in (1280, 1440, 1920):
        staff.set_viewport_size({"width": width, "height": 900})
        way = staff.locator(".crumbs")
        frame = way.bounding_box()
        crumbs = [one.bounding_box() for one in way.locator(".crumb").all()]
        assert frame is not None
        seen = [box for box in crumbs if box and abs(box["y"] - frame["y"]) < box["height"] / 2]
        assert all(box["x"] >= frame["x"] - 1 for box in seen)
        assert len(seen) >= (width >= 1440), width
        assert staff.locator("h1").evaluate("name => name.scrollWidth <= name.clientWidth")


def test_the_dashboard_fits_a_phone_follows_the_theme_and_says_when_it_lost_its_server(
    dashboard_of: DashboardOf,
) -> None:
    staff = dashboard_of("admin", "about:blank")
    staff.set_viewport_size(PHONE)
    staff.goto("/admin/")
    expect(staff.locator("#dashboard-cards .dashboard-card").first).to_be_visible()
    status = staff.locator("#dashboard-status")
    expect(status).to_have_attribute("data-state", "live")
    assert staff.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    color = "getComputedStyle(document.documentElement).getPropertyValue('--series-1')"
    pixels = "document.querySelector('[data-chart=ratios] canvas').toDataURL()"
    light, drawn = staff.evaluate(color), staff.evaluate(pixels)
    staff.keyboard.press("Control+e")  # from the system's theme to the light one
    staff.keyboard.press("Control+e")
    staff.wait_for_function(f"{color} !== '{light}'")
    staff.wait_for_function(f"{pixels}.length > 0 && {pixels} !== '{drawn}'")
    staff.route("**/dashboard/data/**", lambda route: route.fulfill(body="no JSON"))
    staff.get_by_role("button", name="6h").click()
    expect(status).to_have_attribute("data-state", "lost")
    expect(status).to_contain_text("lost connection")


def test_the_leverage_slider_answers_as_it_moves(dashboard_of: DashboardOf) -> None:
    """Also where it moves, or an instrument is chosen, before the page's script has come."""
    page, late, script = dashboard_of("regulator"), list[Route](), "**/kpi/leverage*.js"
    page.route(script, lambda route: late.append(route), times=2)
    with page.expect_request(script):
        page.locator("a[href='/admin/leverage/']:visible").first.click()
    said, slider = page.locator("#what-if-said"), page.locator("#move-range")
    fills = page.locator("#what-if .dashboard-card", has_text="Orders that fill first")
    expect(said).to_contain_text("If all marks fell by 10 %")
    slider.fill("-50")
    late.pop().continue_()
    expect(said).to_contain_text("If all marks fell by 50 %")
    expect(fills.locator(".value")).to_have_text("1")
    slider.focus()
    slider.press("ArrowRight")
    expect(said).to_contain_text("fell by 49.5 %")
    page.get_by_label("Move in percent").fill("12.25")
    expect(said).to_contain_text("If all marks rose by 12.25 %")
    expect(slider).to_have_value("12.5")
    expect(page).to_have_url(re.compile(r"move=12\.25&symbol=(&|$)"))
    page.set_viewport_size(PHONE)
    with page.expect_request(script):
        page.reload(wait_until="commit")
    page.locator("#move-symbol").select_option("BTCUSDT")
    late.pop().continue_()
    expect(said).to_contain_text("If the mark of BTCUSDT rose by 12.25 %")
    expect(fills.locator(".value")).to_have_text("0")
    expect(page).to_have_url(re.compile(r"move=12\.25&symbol=BTCUSDT"))
    assert page.locator("[data-panel] canvas:visible").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.locator("#cascade-instrument").select_option("ETHUSDT")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("[data-panel=cascade]")).to_contain_text("Close-outs of ETHUSDT")


def test_a_change_of_tier_and_of_balance_leaves_its_trace(dashboard_of: DashboardOf) -> None:
    trader = User.objects.get(username="beginner")
    account = reverse("admin:accounts_account_change", args=[trader.account.pk])
    staff = dashboard_of("admin", account)
    confirm(staff, "Change tier", tier="advanced", reason="Passed the examination")
    expect(staff.locator("body")).to_contain_text("beginner is now Advanced.")
    confirm(staff, "Adjust balance", amount="-12.5", reason="Correction of a test")
    expect(staff.locator("body")).to_contain_text("adjusted the balance by −12.50 USDT")
    ledger = staff.locator(".statement section", has_text="Ledger")
    expect(ledger).to_contain_text("Correction of a test")
    for path, told in (
        (reverse("admin:accounts_transfer_changelist"), "Correction of a test"),
        (
            reverse("admin:accounts_user_history", args=[trader.pk]),
            "admin Tier: Beginner → Advanced",
        ),
        (reverse("admin:admin_logentry_changelist"), "beginner is now Advanced."),
    ):
        assert told in content_of(staff, path)
    open_page(staff, reverse("admin:kpi_auditrecord_changelist"))
    trail = staff.locator("#result_list")
    expect(trail).to_contain_text("balance_change")
    expect(trail).to_contain_text("staff_action")
    confirm(staff, "Verify now")
    expect(staff.locator("body")).to_contain_text("records are sound")
    trader.refresh_from_db()
    assert (trader.tier, trader.account.balance) == ("advanced", D("9987.5"))


def test_a_regulator_sees_all_and_changes_nothing(dashboard_of: DashboardOf) -> None:
    page = dashboard_of("regulator")
    expect(page.locator("#dashboard-accounts tbody tr").first).to_be_visible()
    expect(page.locator(".dashboard-action")).to_have_count(0)
    trader = User.objects.get(username="advanced")
    account = reverse("admin:accounts_account_change", args=[trader.account.pk])
    open_page(page, account)
    expect(page.locator("#equity-curve canvas")).to_be_visible()
    for button in ("Change tier", "Adjust balance", "Withdraw", "Suspend"):
        expect(page.get_by_text(button, exact=True)).to_have_count(0)


def test_a_rotated_key_is_shown_in_the_dialog_that_asked(dashboard_of: DashboardOf) -> None:
    key = ApiKey.objects.filter(user__is_staff=False).earliest("pk")
    staff = dashboard_of("admin", address(ApiKey, "change", key.pk))
    staff.locator("a:has-text('Change terms'):visible").first.click()
    dialog = staff.locator("#dialog")
    dialog.locator("[name=scopes]").select_option("read")
    dialog.locator("[name=expires_at]").fill("2031-05-06T07:08:09")
    dialog.locator("[name=networks]").fill("192.0.2.0/24\n2001:db8::/32")
    dialog.locator("[name=reason]").fill("A test")
    with staff.expect_navigation():
        dialog.locator("button[type=submit], button:not([type])").last.click()
    expect(staff.locator("#content")).to_contain_text("192.0.2.0/24, 2001:db8::/32")
    staff.locator("a:has-text('Rotate'):visible").first.click()
    dialog.locator("[name=reason]").fill("A test")
    dialog.locator("button[type=submit], button:not([type])").last.click()
    clear = dialog.locator("#clear-key")
    expect(clear).to_contain_text("xp_")
    assert dialog.locator("form").count() == 0
    fresh = identify(key=clear.inner_text())
    assert (fresh.replaces_id, fresh.networks) == (key.pk, ["192.0.2.0/24", "2001:db8::/32"])
