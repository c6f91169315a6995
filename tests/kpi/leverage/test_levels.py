"""Who is levered how far, and what the accounts of each tier did."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Account
from kpi.leverage import levels as module
from kpi.leverage.levels import Levels, read_levels
from kpi.leverage.panels import panels_of
from kpi.leverage.tier_counts import count_tiers
from market.models import Instrument
from risk.statement import account_statement
from tests.trading.conftest import Marks, Trader, order

D = Decimal
DAY = timedelta(hours=24)


def read(window: timedelta = DAY) -> Levels:
    count_tiers()
    found = read_levels(window=window)
    assert found is not None
    return found


def bars(found: Levels) -> list[int]:
    return [bar.accounts for bar in found.bars]


def test_accounts_stand_in_the_bar_of_their_leverage(trader: Trader) -> None:
    for size in ("0.1", "0.16", "0.5", "1"):  # 0.65, 1.04, 3.25 and 6.5 times the equity
        order(trader("10000", "advanced"), "buy", size)
    order(trader("10000", "beginner"), "sell", "0.1")
    found = read()
    assert bars(found) == [2, 1, 0, 1, 1, 0, 0, 0, 0]
    assert [bar.total for bar in found.bars][:2] == [D(13_000), D(10_400)]
    assert found.bars[0].notional == {"advanced": D(6_500), "beginner": D(6_500)}
    Instrument.objects.filter(symbol="BTCUSDT").update(mark_price=D(55_000))  # without a sweep
    assert bars(read())[-2:] == [0, 1]


def test_a_tier_adds_up_its_statements(trader: Trader, marks: Marks) -> None:
    users = [trader("10000", "advanced") for _ in range(3)]
    order(users[0], "buy", "0.5")
    order(users[1], "sell", "0.2")
    order(users[1], "buy", "5", "ETHUSDT", price="3000")
    marks(BTCUSDT="64000")
    statements = [account_statement(user_id=user.pk) for user in users]
    own = read().tiers["advanced"]
    assert (own.accounts, own.holders) == (3, 2)
    assert own.exposure == sum(one.exposure for one in statements)
    assert own.exposure == own.notional + 15_000
    assert own.unrealized_pnl == sum(one.unrealized_pnl for one in statements)
    assert own.equity == sum(one.equity for one in statements if one.positions)


def test_a_window_has_orders_and_close_outs_of_clients(trader: Trader, marks: Marks) -> None:
    early, late = trader("10000", "advanced"), trader("10000", "advanced")
    with time_machine.travel(timezone.now() - timedelta(hours=2), tick=False):
        order(early, "buy", "500")
        order(early, "buy", "0.1")
    order(late, "buy", "500")
    order(late, "buy", "2")
    order(late, "sell", "0.5")
    marks(BTCUSDT="59000")
    assert Account.objects.get(user=late).liquidations.count() == 1
    day, hour = read().tiers["advanced"], read(timedelta(hours=1)).tiers["advanced"]
    assert (day.orders, day.refused, day.closed_out) == (5, 2, 1)
    assert (hour.orders, hour.refused, hour.closed_out) == (3, 1, 1)
    assert day.realized_pnl == hour.realized_pnl == D(-9_000)
    order(late, "buy", "0.1")
    marks(BTCUSDT="1000")  # closed out once more, and counted once
    assert Account.objects.get(user=late).liquidations.count() == 2
    assert read().tiers["advanced"].closed_out == 1
    other = read().tiers["beginner"]
    assert (other.accounts, other.orders, other.exposure) == (0, 0, 0)


def test_what_is_too_much_is_said(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    user = trader("10000", "advanced")
    for _ in range(3):
        order(user, "buy", "0.01")
    assert read().cut == {}
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    found = read()
    assert set(found.cut) == {"orders", "trades"}
    assert found.tiers["advanced"].orders == 2
    monkeypatch.setattr(module, "MOST_POSITIONS", 0)
    assert read_levels(window=DAY) is None


def test_an_empty_exchange_has_no_leverage(db: None) -> None:
    found = read()
    assert (sum(bars(found)), found.cut) == (0, {})


def test_accounts_are_as_counted_last_and_the_page_says_when(trader: Trader) -> None:
    """Whoever looks passes no accounts: beat does, once a minute."""
    trader("10000", "advanced")
    found = read_levels(window=DAY)
    assert found is not None
    uncounted = found.tiers["advanced"]
    assert (found.counted_at, uncounted.accounts, uncounted.exposure) == (None, None, None)
    [_, panel] = panels_of(found, "24h")
    assert "are not counted yet" in panel.sentence
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        count_tiers()
        trader("10000", "advanced")
    with time_machine.travel(now + timedelta(seconds=42), tick=False):
        found = read_levels(window=DAY)
        assert found is not None
        [_, panel] = panels_of(found, "24h")
    assert found.tiers["advanced"].accounts == 1
    assert "counted 42 s ago" in panel.sentence


def test_an_order_that_fills_after_the_count_counts_once(trader: Trader, marks: Marks) -> None:
    order(trader("10000", "advanced"), "buy", "0.5", price="64000")
    count_tiers()
    marks(BTCUSDT="64000")
    levels = read_levels(window=DAY)
    assert levels is not None
    own = levels.tiers["advanced"]
    assert (own.notional, own.exposure) == (D(32_000), D(32_000))
    assert read().tiers["advanced"].exposure == D(32_000)
