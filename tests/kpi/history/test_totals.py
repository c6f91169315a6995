"""All orders and trades are counted from the last reading on, and none is lost or doubled."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import time_machine
from django.db import connection

from kpi.history.snapshots import take_snapshot
from kpi.history.totals import count_ever, counted
from kpi.models import KpiReading
from tests.kpi.conftest import Order
from tests.waiting import wait_for
from trading.models import Order as PlacedOrder
from trading.models import OrderStatus, Trade, Venue

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def next_snapshot(clock: time_machine.Traveller) -> None:
    clock.shift(timedelta(minutes=1))
    assert take_snapshot() is not None


def read_until_kept(clock: time_machine.Traveller, orders: int) -> None:
    """Take a snapshot that keeps so many orders, once any database's transactions let it."""
    _, last = transactions()
    wait_for(lambda: transactions()[0] >= last, what="the end of other transactions")
    next_snapshot(clock)
    assert kept() == orders


def transactions() -> tuple[int, int]:
    """Return the oldest transaction that still runs, and the number after the last that ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        )
        [(oldest, following)] = cursor.fetchall()
    return oldest, following


def kept() -> int:
    """Return how many orders the last reading keeps."""
    return counted(KpiReading.objects.get().row_counts, PlacedOrder).rows


def test_a_reading_keeps_what_an_earlier_one_saw(
    order: Order, clock: time_machine.Traveller
) -> None:
    assert order("beginner", "buy", "0.1") == 200
    assert order("beginner", "buy", "100") == 400
    next_snapshot(clock)
    assert kept() == 0
    for seen in (2, 3):
        assert order("beginner", "sell", "0.01") == 200
        read_until_kept(clock, seen)
        orders = count_ever(PlacedOrder)
        assert (orders.rows, orders.rejected) == (PlacedOrder.objects.count(), 1)
        assert count_ever(Trade).rows == Trade.objects.count()


def test_a_row_that_another_transaction_still_holds_back_is_counted(
    order: Order, clock: time_machine.Traveller
) -> None:
    assert order("beginner", "buy", "0.1") == 200
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        other.execute("SELECT FROM accounts_account ORDER BY id DESC LIMIT 1 FOR UPDATE")
        [[late]] = other.execute("SELECT nextval('trading_order_id_seq')").fetchall()
        assert order("beginner", "sell", "0.01") == 200
        for _ in range(3):
            next_snapshot(clock)
        assert (kept(), count_ever(PlacedOrder).rows) == (0, 2)
        copy = "jsonb_populate_record(one, jsonb_build_object('id', %s::bigint))"
        other.execute("SET LOCAL session_replication_role = replica")
        other.execute(
            f"INSERT INTO trading_order SELECT ({copy}).* FROM trading_order AS one LIMIT 1",  # noqa: S608
            [late],
        )
    assert count_ever(PlacedOrder).rows == 3
    read_until_kept(clock, 3)
    assert count_ever(PlacedOrder).rows == 3


def test_an_order_that_its_venue_may_refuse_is_not_kept_yet(
    order: Order, clock: time_machine.Traveller
) -> None:
    assert order("beginner", "buy", "0.1") == 200
    pending = PlacedOrder.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        PlacedOrder.objects.filter(pk=pending.pk).update(
            status=OrderStatus.PENDING_NEW,
            venue=Venue.BINANCE_TESTNET,
            filled_size=0,
            average_price=None,
            answered_filled_size=0,
            answered_average_price=None,
        )
        cursor.execute("SET session_replication_role = origin")
    for _ in range(3):
        next_snapshot(clock)
    assert (kept(), count_ever(PlacedOrder).rejected) == (0, 0)
    PlacedOrder.objects.filter(pk=pending.pk).update(
        status=OrderStatus.REJECTED, reject_code="venue_rejected"
    )
    assert count_ever(PlacedOrder).rejected == 1
    read_until_kept(clock, 1)
    assert count_ever(PlacedOrder).rejected == 1
