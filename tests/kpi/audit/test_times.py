"""A fact of the trail is found by its own time, in whatever order facts were captured."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from accounts.services import create_user
from tests.conftest import ClientOf
from tests.kpi.audit.conftest import records

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(days=10)


@pytest.fixture
def out_of_order(db: None) -> list[str]:
    """A deposit of now, captured before those of ten days ago, as a made-up history has them."""
    with time_machine.travel(NOW, tick=False):
        create_user(username="alice")
    with time_machine.travel(EARLIER, tick=False):
        create_user(username="bob")
        create_user(username="carol")
    [deposit] = records(occurred_at=NOW)
    return [deposit.reference]


def test_the_api_finds_it(out_of_order: list[str], client_of: ClientOf) -> None:
    staff = User.objects.create_superuser("head")
    api = client_of(staff)
    since = (NOW - timedelta(days=1)).isoformat().replace("+00:00", "Z")
    until = (NOW + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    found = api.get(f"/audit?since={since}&until={until}").json()["results"]
    assert [record["reference"] for record in found] == out_of_order


def test_the_console_finds_it(out_of_order: list[str]) -> None:
    console = Client()
    console.force_login(User.objects.create_superuser("head"))
    day = NOW.date().isoformat()
    page = console.get(f"/admin/kpi/auditrecord/?occurred_at_from={day}&occurred_at_to={day}")
    assert [record.reference for record in page.context["cl"].result_list] == out_of_order
