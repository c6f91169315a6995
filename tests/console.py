"""A seeded exchange with something on every page, and staff with and without rights."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.template.response import SimpleTemplateResponse
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from kpi.alerts.rules import apply_rule
from kpi.audit.checks import check_audit
from kpi.checks.ledger import check_ledger
from kpi.history.snapshots import take_snapshot
from kpi.models import AlertRule
from kpi.services import record_heartbeat
from market.models import Instrument, PriceOrigin
from market.quotes import Quote
from market.services import resume_instrument
from risk.engine import Intent
from tests.kept import kept, put
from tests.kpi.lab.stored import compute, store
from tests.trading.conftest import doubt
from trading.demo.data import seed_demo
from trading.models import Kill, Order
from trading.services import place_order
from trading.steps.by_hand import set_price
from trading.steps.step import run_market_step

D = Decimal
Clerk = Callable[..., Client]


@pytest.fixture(scope="session")
def seeded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The statement that makes an empty exchange a seeded one."""
    return kept("seeded", seed, django_db_blocker)


@pytest.fixture
def exchange(db: None, seeded: str) -> None:
    """A seeded exchange."""
    put(seeded)
    record_heartbeat()


def seed() -> None:
    """Orders, trades, positions, a resting and a refused one, a liquidation, a halt, a study.

    The superuser is logged in.
    """
    seed_demo()
    record_heartbeat()
    beginner, intermediate, advanced = User.objects.order_by("id").values_list("pk", flat=True)[:3]
    place_order(user_id=intermediate, intent=Intent("BTCUSDT", True, D(5)))
    set_price(symbol="BTCUSDT", price=D(50_000))
    place_order(
        user_id=advanced,
        intent=Intent("ETHUSDT", True, D("0.1"), price=D(3000)),
        client_order_id="grid-7",
    )
    place_order(user_id=beginner, intent=Intent("ETHUSDT", True, D("0.2")))
    place_order(user_id=beginner, intent=Intent("ETHUSDT", False, D("0.1")))
    place_order(user_id=beginner, intent=Intent("BTCUSDT", True, D(500)))
    quoted("BTCUSDT", "1")
    resume_instrument(reason="A test", instrument=Instrument.objects.get(symbol="BTCUSDT"))
    doubt(Order.objects.filter(account__user_id=beginner, status="FILLED").latest("id"))
    stopped_once()
    watch()
    compute(store(), most=4)
    Client().force_login(User.objects.get(username="admin"))


def stopped_once() -> None:
    """A kill of a while ago, after which all went on."""
    now = timezone.now()
    Kill.objects.create(state="HALTED", reason="A test", started_at=now)
    Kill.objects.update(canceled=1, finished_at=now)


def quoted(symbol: str, price: str) -> None:
    """Run one market step of one instrument with a quote of a price source."""

    def quotes(instruments: Sequence[Instrument], step: int) -> Mapping[int, Quote]:
        return {one.pk: Quote(D(price), PriceOrigin.SIMULATION) for one in instruments}

    run_market_step(symbol=symbol, quote_source=quotes)


def watch() -> None:
    """A KPI snapshot, a check of each kind, and an alert that the webhook was told about."""
    take_snapshot()
    check_ledger()
    check_audit()
    with override_settings(ALERT_WEBHOOK_URL="https://alerts.example.org/hook"):
        apply_rule(rule_id=AlertRule.objects.get(kind="latency_p95").pk, value=750.5)


@pytest.fixture
def trader(exchange: None) -> User:
    """The demo's beginner, with an open position in ETHUSDT."""
    return User.objects.get(username="beginner")


@pytest.fixture
def staff(client: Client, exchange: None) -> Client:
    """The console as the superuser of the demo sees it."""
    client.cookies[settings.SESSION_COOKIE_NAME] = Session.objects.earliest("expire_date").pk
    return client


@pytest.fixture
def clerk(db: None) -> Clerk:
    """Log in somebody who works here: ``clerk("change_user", "view_user")``."""

    def log_in(*permissions: str) -> Client:
        user = User.objects.create_user("clerk", password="clerk-password", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return log_in


def press(client: Client, button: str, *keys: int, **fields: str) -> str:
    """Confirm the dialog of an action, ``app_model_action``, and return the page after it.

    It is opened on a page that tells messages as every page does, and is soon rendered.
    """
    opened_on = "http://testserver" + reverse("admin:password_change_done")
    answer = client.post(
        reverse(f"admin:{button}", args=keys),
        {"_form_submitted": "on", "reason": "A test", **fields},
        follow=True,
        headers={"Referer": opened_on},
    )
    assert answer.status_code == 200
    return answer.content.decode()


def shown_version(client: Client, button: str, key: int) -> str:
    """Open the dialog of an action and return the version that it carries."""
    return shown_field(client, button, key, "version")


def shown_field(client: Client, button: str, key: int, name: str) -> str:
    """Open the dialog of an action and return a field that it carries."""
    dialog = client.get(reverse(f"admin:{button}", args=[key])).content.decode()
    found = re.search(rf'name="{name}" value="([^"]+)"', dialog)
    assert found is not None
    return found[1]


def select(client: Client, path: str, action: str, *keys: int, reason: str = "A test") -> str:
    """Run an action on selected rows of a list, say why, and return the page after it."""
    selected = {"action": action, "_selected_action": [str(key) for key in keys]}
    body = {**selected, "_form_submitted": "on", "reason": reason}
    return client.post(f"/admin/{path}/", body, follow=True).content.decode()


@contextmanager
def unrendered() -> Iterator[None]:
    """Write no HTML that nobody reads: it takes most of the time of a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimpleTemplateResponse, "rendered_content", "")
        yield


def form_of(answer: Any) -> Any:
    """Return the form of a page, be it rendered or not."""
    return answer.context_data["adminform"].form


def filled_in(client: Client, page: str) -> dict[str, Any]:
    """Open a form and return what a browser would submit of it as it is, with a reason."""
    with unrendered():
        form = form_of(client.get(page))
    body = {name: form[name].value() for name in form.fields}
    given = {name: one for name, one in body.items() if one is not None and one is not False}
    return {**given, "reason": "A test"}


def save(client: Client, page: str, **changes: str) -> str:
    """Submit a form with some fields changed, and why, and return the page after it."""
    return submit(client, page, {**filled_in(client, page), **changes})


def submit(client: Client, page: str, body: Mapping[str, Any]) -> str:
    """Submit a form as it was filled in, and return the page after it."""
    answer = client.post(page, body, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()
