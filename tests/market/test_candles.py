"""Candles are what the marks were, to the digit, also when the ticks are long forgotten."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from market.candles import INTERVALS, Candle, candles
from market.models import Instrument, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import list_instrument, record_marks
from market.ticks import prune_ticks
from tests.kept import kept, put
from tests.market.conftest import mark

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = (1, 7, 1_000)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def walk_at_random() -> None:
    """Mark each instrument some hundred times over days, with gaps of its own."""
    listed = [
        list_instrument(
            reason="A test",
            symbol=symbol,
            base_asset=symbol.removesuffix("USDT"),
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.00001"),
        )
        for symbol in SYMBOLS
    ]
    draw = random.Random(1)
    now = datetime(2026, 1, 5, 23, 58, tzinfo=UTC)
    for _ in range(125):
        now += timedelta(seconds=draw.choice([0.25, 1, 1, 20, 60, 61, 1_700, 80_000]))
        prices = {one.pk: Decimal(draw.randrange(9_000, 11_000)) / 100 for one in listed}
        quotes = {
            number: Quote(price, PriceOrigin.SIMULATION)
            for number, price in prices.items()
            if draw.random() < 0.8
        }
        record_marks(quotes=quotes, now=now)


@pytest.fixture(scope="session")
def walk_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    return kept("walk", walk_at_random, django_db_blocker)


@pytest.fixture(params=SYMBOLS)
def walk(request: Any, db: None, walk_rows: str) -> Instrument:
    """An instrument after a walk, beside others."""
    put(walk_rows)
    return Instrument.objects.get(symbol=request.param)


def expected(instrument: Instrument, interval: str, limit: int) -> Iterator[Candle]:
    """Make candles of ticks, one by one."""
    length = timedelta(seconds=INTERVALS[interval])

    def opens(time: datetime) -> datetime:
        return time - (time - EPOCH) % length

    assert instrument.marked_at is not None
    first = opens(instrument.marked_at) - (limit - 1) * length
    ticks = PriceTick.objects.filter(instrument=instrument, created_at__gte=first).order_by("id")
    for open_time, group in groupby(ticks, key=lambda tick: opens(tick.created_at)):
        prices = [tick.price for tick in group]
        yield Candle(open_time, prices[0], max(prices), min(prices), prices[-1], len(prices))


def all_candles(walk: Instrument) -> dict[tuple[str, int], list[Candle]]:
    return {
        (interval, limit): candles(symbol=walk.symbol, interval=interval, limit=limit)
        for interval in INTERVALS
        for limit in LIMITS
    }


def test_candles_of_every_length_are_those_of_the_ticks(walk: Instrument) -> None:
    for (interval, limit), shown in all_candles(walk).items():
        assert shown == list(expected(walk, interval, limit)), (interval, limit)


def whole(instrument: Instrument, interval: str, now: datetime) -> list[Candle]:
    """Make a candle of every interval from the first tick to the present."""
    length = timedelta(seconds=INTERVALS[interval])
    made = {one.open_time: one for one in expected(instrument, interval, 10**6 // 60)}
    rows = [made[min(made)]]
    while (open_time := rows[-1].open_time + length) <= now:
        close = rows[-1].close
        rows.append(made.get(open_time, Candle(open_time, close, close, close, close, 0)))
    return rows


@pytest.mark.parametrize("interval", ["15m", "1d"])
def test_between_two_times_no_interval_is_missing(walk: Instrument, interval: str) -> None:
    assert walk.marked_at is not None
    now, length = walk.marked_at + timedelta(hours=30), timedelta(seconds=INTERVALS[interval])
    draw = random.Random(interval)

    def shown(limit: int, start: datetime | None, end: datetime | None) -> list[Candle]:
        return candles(symbol=walk.symbol, interval=interval, limit=limit, start=start, end=end)

    with time_machine.travel(now, tick=False):
        rows = whole(walk, interval, now)
        assert interval == "1d" or len(rows) > 1_000
        assert shown(1_000, EPOCH, None) == rows[:1_000]
        assert shown(7, None, now + 9 * length) == rows[-7:]
        for _ in range(12):
            start = rows[0].open_time + draw.uniform(-0.1, 1.1) * (now - rows[0].open_time)
            end = start + draw.choice([0, 0.5, 1, 3, 50]) * length
            between = [row for row in rows if start <= row.open_time < end]
            assert shown(1_000, start, end) == between
            assert shown(2, start, end) == between[:2]
            before = [row for row in rows if row.open_time < end]
            assert shown(5, None, end) == before[-5:]


def test_forgotten_ticks_leave_the_candles(walk: Instrument) -> None:
    before = all_candles(walk)
    ticks = PriceTick.objects.count()
    assert prune_ticks(before=timezone.now()) == ticks > 250
    assert not PriceTick.objects.exists()
    assert all_candles(walk) == before
    assert walk.marked_at is not None
    mark(walk, "500", walk.marked_at)
    [last] = candles(symbol=walk.symbol, interval="1d", limit=1)
    assert (last.high, last.close) == (500, 500)
    assert last.ticks == before["1d", 1][0].ticks + 1
