"""``seed_demo --traders``: a history of every kind of fact, the same for the same seed."""

from bisect import bisect_left
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from accounts.models import Account, Transfer, TransferKind, User
from kpi.history.series import get_history
from kpi.models import KpiSnapshot
from market.kernel.api.listing import filter_by
from market.models import PriceTick
from risk.models import Position, PositionStatus
from trading.history.ledger_check import ledger_differences
from trading.models import Liquidation, Order, OrderStatus, Trade

pytestmark = pytest.mark.django_db

#: What is found by key, as far as its times say.
TIMES: dict[type[Model], str] = {
    Order: "created_at",
    Trade: "created_at",
    Position: "opened_at",
    Liquidation: "created_at",
}
Facts = tuple[list[Any], list[Any], list[Any]]


def seed(*options: str) -> str:
    out = StringIO()
    call_command("seed_demo", "--days", "1", *options, stdout=out, verbosity=0)
    return out.getvalue()


def facts() -> Facts:
    """What a seed decides: the orders as they stand, the balances, the prices."""
    orders = Order.objects.order_by("id").values_list(
        "account__user__username", "symbol", "side", "size", "price", "status", "reject_code"
    )
    balances = Account.objects.order_by("user__username").values_list(
        "user__username", "kind", "balance"
    )
    prices = PriceTick.objects.order_by("id").values_list("instrument__symbol", "price")
    return list(orders), sorted(map(str, balances)), list(prices)


def test_a_history_is_lively_lies_in_the_past_and_repeats_by_its_seed(settings: Any) -> None:
    """Without snapshots, too, which decide nothing."""
    nothing, before = transaction.savepoint(), timezone.now()
    assert "4 traders" in seed("--traders", "4", "--seed", "7")
    check_facts_of_every_kind()
    check_times(before)
    check_that_times_find_all()
    first = facts()
    transaction.savepoint_rollback(nothing)
    settings.KPI_SNAPSHOT_INTERVAL_SECONDS = 0
    seed("--traders", "4", "--seed", "7")
    assert facts() == first
    assert not KpiSnapshot.objects.exists()


def check_facts_of_every_kind() -> None:
    assert ledger_differences() == []
    statuses = {OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED}
    assert set(Order.objects.values_list("status", flat=True)) >= statuses
    assert Order.objects.exclude(reject_code="").values("reject_code").distinct().count() >= 3
    assert Trade.objects.filter(order__liquidation=True).exists()
    assert Liquidation.objects.filter(insurance_paid__gt=0).exists()
    assert Transfer.objects.filter(kind=TransferKind.INSURANCE_COVER).exists()
    assert Position.objects.filter(status=PositionStatus.OPEN).exists()


def check_times(before: datetime) -> None:
    """Orders and charts reach back a day from ``before``."""
    oldest = Order.objects.earliest("created_at").created_at
    assert before - timedelta(days=1) <= oldest < before - timedelta(hours=20)
    assert Order.objects.latest("created_at").created_at <= timezone.now()
    points = get_history(metric="global_exposure", window="24h").points
    assert len(points) > 40
    assert any(point.value for point in points)
    assert sum(KpiSnapshot.objects.values_list("trades", flat=True)) > 0
    assert sum(KpiSnapshot.objects.values_list("liquidations", flat=True)) > 0


def check_that_times_find_all() -> None:
    """Lists leave nothing out where a history lies between rows of now."""
    for model, name in TIMES.items():
        rows = model.objects.all()  # type: ignore[attr-defined]
        times = sorted(rows.values_list(name, flat=True))
        for moment in set(times):
            before = bisect_left(times, moment)
            assert filter_by(rows, time_field=name, since=moment).count() == len(times) - before
            assert filter_by(rows, time_field=name, until=moment).count() == before
    console = Client()
    console.force_login(User.objects.create_superuser("head"))
    for day in {moment.date() for moment in Transfer.objects.values_list("created_at", flat=True)}:
        query = f"created_at_from={day}&created_at_to={day}"
        page = console.get(f"/admin/accounts/transfer/?{query}").context["cl"]
        found = Transfer.objects.filter(created_at__date=day).count()
        assert len(page.result_list) == min(found, page.list_per_page)
