"""Old ticks are forgotten, and nothing of them that candles keep."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

import pytest
from django.utils import timezone

from market.candles import keep_candles
from market.kernel import pruning
from market.models import Instrument, KeptCandle, PriceOrigin, PriceTick
from market.quotes import Quote
from market.services import record_marks
from market.ticks import prune_ticks
from tests.each import each
from tests.market.conftest import mark


def test_old_ticks_are_pruned(btc: Instrument) -> None:
    now = timezone.now()
    for days in (0, 5, 40):
        mark(btc, "100", now - timedelta(days=days))
    assert prune_ticks(before=timezone.now() - timedelta(days=30)) == 1
    assert PriceTick.objects.count() == 2


def test_many_ticks_are_pruned_chunk_by_chunk(
    btc: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PORTION", 2)
    long_ago = timezone.now() - timedelta(days=40)
    for _ in range(5):
        mark(btc, "100", long_ago)
    assert prune_ticks(before=timezone.now() - timedelta(days=30)) == 5


def test_a_tick_goes_only_once_its_candle_is_kept(btc: Instrument) -> None:
    """One that is not there is made as the step would have, of those ticks too that stay."""
    minute = datetime(2026, 1, 5, 9, tzinfo=UTC)
    for second, price in enumerate(("100", "103", "99", "101")):
        mark(btc, price, minute + timedelta(seconds=second))
    mark(btc, "102", minute + timedelta(minutes=1))
    bars = KeptCandle.objects.filter(seconds=60).order_by("open_time")
    columns = ("open_time", "open", "high", "low", "close", "ticks")
    before = list(bars.values_list(*columns))
    assert before[0][1:] == tuple(map(Decimal, ("100", "103", "99", "101", "4")))
    bars.earliest("open_time").delete()
    assert prune_ticks(before=minute + timedelta(seconds=2)) == 2
    assert list(bars.values_list(*columns)) == before
    assert prune_ticks(before=timezone.now()) == 3
    assert list(bars.values_list(*columns)) == before
    assert not PriceTick.objects.exists()


def backwards(price: str, at: datetime) -> Quote:
    """Return the quote of a replay that goes from late candles to early ones from 9:10 on."""
    begun = datetime(2026, 1, 5, 9, 10, tzinfo=UTC)
    recorded = datetime(2020, 1, 1, tzinfo=UTC) - (at - begun) if at >= begun else None
    return Quote(Decimal(price), PriceOrigin.SIMULATION, market_time=recorded)


@each("missing", [(0,), (1,), (2,), (3,), (0, 3), (1, 2), (0, 1, 2, 3), (4,), (0, 1, 2, 3, 4)])
def test_longer_candles_get_what_shorter_ones_missed(
    btc: Instrument, monkeypatch: pytest.MonkeyPatch, missing: tuple[int, ...]
) -> None:
    """Whichever minutes had no candle: those of the hours come out as steps make them.

    Also where a replay set the prices of some minutes alone.
    """
    monkeypatch.setattr(pruning, "PORTION", 3)
    hour = datetime(2026, 1, 5, 9, tzinfo=UTC)
    prices = (("100", "107"), ("103", "93"), ("109", "101"), ("91", "104"), ("105", "102"))
    minutes = [hour + timedelta(minutes=at) for at in (3, 17, 18, 59, 60)]
    steps = [
        [(price, minute + timedelta(seconds=second)) for second, price in enumerate(pair)]
        for minute, pair in zip(minutes, prices, strict=True)
    ]
    for price, at in chain(*steps):
        record_marks(quotes={btc.pk: backwards(price, at)}, now=at)
    columns = ("seconds", "open_time", "open", "high", "low", "close", "ticks", "market_time")
    candles = KeptCandle.objects.order_by("seconds", "open_time").values_list(*columns)
    before = list(candles)
    assert [(row[1], row[-2]) for row in before if row[0] == 3600] == [
        (hour, 8),
        (hour + timedelta(hours=1), 2),
    ]
    KeptCandle.objects.all().delete()
    for number, own in enumerate(steps):
        if number not in missing:  # a step that kept them, before or after
            for price, at in own:
                keep_candles(quotes={btc.pk: backwards(price, at)}, now=at)
    assert list(candles.all()) != before
    assert prune_ticks(before=timezone.now()) == 10
    assert list(candles.all()) == before
