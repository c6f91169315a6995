"""A page of a list costs the same however long the history is that it is found in.

One trader's orders, trades, positions and close-outs are copied, a minute apart; a second
instrument was traded once, before all of them. What a list reads is counted in pages and rows.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal as D
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.services import create_user
from market.services import list_instrument
from risk.engine import Intent
from tests.conftest import ClientOf
from tests.system.database.test_flat_reads import Explained
from trading.models import Liquidation, Order
from trading.services import place_order
from trading.steps.by_hand import step_at_prices

pytestmark = pytest.mark.django_db(transaction=True)

#: What makes a copy: the last row of a table with another id, time, and what else must differ.
COPIES = """
INSERT INTO {table}
SELECT (jsonb_populate_record(last.kept, jsonb_build_object(
    'id', nextval(pg_get_serial_sequence('{table}', 'id')),
    '{time}', now() + number * interval '1 minute',
    'instrument_id', (SELECT (array_agg(id))[1 + mod(number, 4)] FROM market_instrument
                      WHERE symbol LIKE 'B%%')
) || '{changes}')).*
FROM (SELECT kept FROM {table} AS kept ORDER BY id DESC LIMIT 1) AS last
CROSS JOIN generate_series(%s::int, %s::int) AS number
"""
FLAT = '{"status": "CLOSED", "quantity": 0, "cost": 0, "margin": 0, "closed_at": "2026-01-01Z"}'
COPIED = {
    "trading_order": ("created_at", "{}"),
    "trading_trade": ("created_at", "{}"),
    "risk_position": ("opened_at", FLAT),
    "trading_liquidation": ("created_at", "{}"),
    "accounts_transfer": ("created_at", "{}"),
}
LISTS = ("/orders", "/trades", "/positions", "/liquidations")
FILTERS = (
    {},
    {"symbol": "ETHUSDT"},
    {"symbol": "DOGEUSDT"},
    {"until": "soon"},
    {"since": "soon", "until": "later"},
    {"since": "never"},
)
STATUSES = ("/orders?status=EXPIRED", "/orders?status=REJECTED", "/positions?status=LIQUIDATED")
CONSOLE = (
    *("trading/order/", "trading/order/?above=0", "trading/order/?symbol=ETHUSDT"),
    *("trading/order/?status__exact=EXPIRED", "trading/order/?reject_code=no_price"),
    *("trading/trade/?above=0", "trading/trade/?instrument__id__exact=0"),
    *("risk/position/?above=0", "risk/position/?status__exact=LIQUIDATED"),
    *("accounts/transfer/?above=0", "trading/liquidation/?above=0"),
)


@pytest.fixture
def trader() -> User:
    for base in ("BTC", "BNB", "BCH", "BAT", "ETH", "DOGE"):
        list_instrument(
            symbol=f"{base}USDT", base_asset=base, tick_size=D("0.01"), lot_size=D("0.00001")
        )
    step_at_prices({"BTCUSDT": D(65_000), "ETHUSDT": D(3_200)})
    user = create_user(username="busy", opening_balance=D(100_000))
    Liquidation.objects.create(
        account=user.account,
        mode="full",
        threshold=D("0.5"),
        margin_ratio_before=D("0.4"),
        equity_before=D(4),
        equity_after=D(4),
        margin_before=D(10),
        margin_after=D(0),
        created_at=timezone.now(),
    )
    for symbol in ("ETHUSDT", "BTCUSDT"):
        place_order(user_id=user.pk, intent=Intent(symbol, True, D("0.01")))
    return user


def add_history(first: int, last: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table, (time, changes) in COPIED.items():
            cursor.execute(COPIES.format(table=table, time=time, changes=changes), [first, last])
        cursor.execute("SET session_replication_role = origin")
        for table in COPIED:
            cursor.execute(f"VACUUM ANALYZE {table}")


def addresses() -> Iterator[str]:
    now = timezone.now()
    moments = {
        "soon": now + timedelta(minutes=20),
        "later": now + timedelta(minutes=40),
        "never": now + timedelta(days=365),
    }
    for path in LISTS:
        for asked in FILTERS:
            query = {name: moments.get(value, value) for name, value in asked.items()}
            yield f"{path}?{urlencode({'page_size': 10, **query})}"
    yield from STATUSES


def costs_of(clients: list[tuple[Any, str]]) -> dict[tuple[str, int], Explained]:
    """Return what each call read by plans for its values, of those that a large table would get."""
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_custom_plan")
        cursor.execute("SET enable_seqscan = off")
    costs = {}
    for number, (client, address) in enumerate(clients):
        costs[address, number] = explained = Explained()
        with connection.execute_wrapper(explained):
            assert client.get(address).status_code == 200, address
    return costs


def test_a_page_costs_the_same_after_a_long_history(trader: User, client_of: ClientOf) -> None:
    staff = User.objects.create_superuser("head")
    console = Client()
    console.force_login(staff)
    api = [client_of(user) for user in (trader, staff)]
    # Through a table of this size PostgreSQL rather walks to find everybody's trades of a symbol.
    small = re.compile("/(trades|positions).*symbol=")
    calls = [(api[0], address) for address in addresses()]
    calls += [(api[1], address) for address in addresses() if not small.match(address)]
    calls += [(console, f"/admin/{path}") for path in CONSOLE]
    add_history(1, 300)
    before = costs_of(calls)
    add_history(301, 10_000)
    assert Order.objects.count() > 10_000
    grown = {
        call: (after.rows - before[call].rows, after.pages - before[call].pages)
        for call, after in costs_of(calls).items()
    }
    # Halving a range of thirty times the keys takes some five looks more.
    assert {call: cost for call, cost in grown.items() if max(cost) > 150} == {}
