"""``make screenshots``: pictures of the console and the API docs, of a few hours of trading, and of
the policy lab's report on a made-up crash."""

import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from kpi.history.snapshots import take_snapshot
from kpi.lab.answers.compare import compare
from kpi.lab.answers.report import report
from kpi.lab.cells.computing import Computer
from kpi.lab.inputs.config import cells, read_study
from kpi.lab.inputs.manifest import manifest
from kpi.lab.models import LabStudy
from kpi.leverage.tier_counts import count_tiers
from kpi.services import record_heartbeat
from market.models import Instrument
from risk.models import Position, PositionStatus
from risk.what_if import moved
from tests.system.browser.conftest import log_in, serve, set_staff_password
from tests.system.browser.scenario import play
from trading.models import Liquidation
from trading.steps.by_hand import step_at_prices

DOCS = Path(__file__).resolve().parents[3] / "docs"
IMAGES, STUDY = DOCS / "images", DOCS / "studies" / "demo.toml"
LARGEST = 300 * 1024
MINUTES = 360
DESK, PHONE = (1440, 900), (390, 844)


@pytest.fixture
def live_server(
    chromium: Browser, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[LiveServer]:
    with django_db_blocker.unblock():
        play(minutes=MINUTES)
        record_heartbeat()
        server = serve()
        yield server
        server.stop()


def test_take_screenshots(chromium: Browser, live_server: LiveServer) -> None:
    set_staff_password("admin")
    IMAGES.mkdir(exist_ok=True)
    for theme in ("light", "dark"):
        page = window(chromium, live_server, DESK, theme)
        show_dashboard(page)
        save(page, f"dashboard-{theme}", height=1500)
    account_page(window(chromium, live_server, DESK, "light"))
    for theme in ("light", "dark"):
        price_charts(window(chromium, live_server, DESK, theme), theme)
    price_charts(window(chromium, live_server, PHONE, "light"), "phone")
    page = window(chromium, live_server, PHONE, "light")
    show_dashboard(page)
    save(page, "dashboard-phone", height=1800)
    leverage_page(chromium, live_server)
    api_docs(window(chromium, live_server, DESK, "light"))
    call_command("lab", "run", str(STUDY), "--quick", stdout=io.StringIO())
    for theme in ("light", "dark"):
        lab_page(window(chromium, live_server, DESK, theme), f"lab-comparison-{theme}")


def test_take_the_lab_s_report(chromium: Browser, tmp_path: Path) -> None:
    study = read_study(STUDY)
    computer, plans = Computer(study), cells(study)
    made = {plan: computer.result(plan) for plan in plans}
    results = {(p.policy.name, p.seed, p.variant.name): made[p].metrics for p in plans}
    first = (study.seeds[0], study.variants[0].name)
    series = {p.policy.name: made[p].series for p in plans if (p.seed, p.variant.name) == first}
    facts = manifest(study, {plan.key: made[plan].digest for plan in plans})
    path, *_ = report(study, results, compare(study, results), facts, tmp_path, series=series)
    for name, (width, height) in {"lab-report": DESK, "lab-report-phone": PHONE}.items():
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.goto(path.as_uri())
        save(page, name, height=2000)


def window(chromium: Browser, server: LiveServer, size: tuple[int, int], theme: str) -> Page:
    width, height = size
    context = chromium.new_context(
        base_url=server.url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
    )
    return context.new_page()


def show_dashboard(page: Page) -> None:
    log_in(page, "admin")
    page.goto("/admin/?window=6h")
    expect(page.locator("#dashboard-status")).to_contain_text("updated")
    expect(page.locator("[data-chart=prices] canvas")).to_be_visible()


def leverage_page(chromium: Browser, server: LiveServer) -> None:
    """Show who is levered how far, and the cascade after a fall that closes some accounts out."""
    fall = [
        (row.symbol, moved(row.mark_price, Decimal(-6), row.tick_size))
        for row in Instrument.objects.exclude(mark_price=None)
        if row.mark_price is not None
    ]
    step_at_prices(dict(fall))
    take_snapshot()
    count_tiers()
    for name, size, height in (("leverage", DESK, 1600), ("leverage-phone", PHONE, 2600)):
        page = window(chromium, server, size, "light")
        show_leverage(page)
        save(page, name, height=height)
    page = window(chromium, server, DESK, "dark")
    show_leverage(page)
    page.locator("#cascade-form").evaluate("form => form.scrollIntoView()")
    save(page, "leverage-cascade-dark", height=900)


def show_leverage(page: Page) -> None:
    log_in(page, "admin")
    page.goto("/admin/leverage/?move=-20&window=1h")
    expect(page.locator("[data-panel=fund] canvas")).to_be_visible()


def lab_page(page: Page, name: str) -> None:
    """Show what the latest study says."""
    log_in(page, "admin")
    page.goto(reverse("admin:kpi_labstudy_comparison", args=[LabStudy.objects.latest("id").pk]))
    expect(page.locator("[data-panel=liquidations] canvas")).to_be_visible()
    save(page, name, height=1400)


def account_page(page: Page) -> None:
    """Show the account with the most open positions."""
    log_in(page, "admin")
    held = Position.objects.filter(status=PositionStatus.OPEN).values_list("account_id", flat=True)
    account = max(set(held), key=list(held).count)
    assert Account.objects.filter(pk=account).exists()
    page.goto(reverse("admin:accounts_account_change", args=[account]) + "?curve=24h")
    expect(page.locator("#equity-curve canvas")).to_be_visible()
    save(page, "account", height=1400)


def price_charts(page: Page, name: str) -> None:
    """Show how the latest closed-out account came to it, and the candles of its instrument."""
    log_in(page, "admin")
    done = Liquidation.objects.latest("id")
    closed = done.trades.latest("notional")
    pages = {
        "path": reverse("admin:trading_liquidation_change", args=[done.pk]),
        "candles": reverse("admin:market_instrument_change", args=[closed.instrument_id]),
    }
    for chart, address in pages.items():
        page.goto(address)
        expect(page.locator(".path [data-part=legend]")).to_contain_text("UTC")
        path = IMAGES / f"{chart}-{name}.png"
        page.locator(".path").screenshot(path=path)
        assert path.stat().st_size <= LARGEST, f"{path} is too large"
    page.context.close()


def api_docs(page: Page) -> None:
    page.goto("/docs")
    expect(page.locator("#operations-orders-orders_create .opblock-body")).to_be_visible()
    page.locator("#operations-tag-orders").evaluate("tag => tag.scrollIntoView()")
    page.mouse.move(0, 0)
    save(page, "api-docs", height=1200)


def save(page: Page, name: str, *, height: int) -> None:
    """Take a picture of the page down to ``height``, once its fonts are there."""
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": height})
    page.evaluate("document.fonts.ready")
    page.wait_for_load_state("networkidle")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size <= LARGEST, f"{path} is too large"
    page.context.close()
