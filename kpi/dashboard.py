"""What the console's dashboard is drawn from. Amounts in USDT."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.utils import timezone

from kpi.selectors import TradingKpis, get_trading_kpis
from market.models import Instrument
from market.selectors import candles, current_prices
from risk.selectors import get_policy
from trading.models import Liquidation

MINUTES_OF_PRICES: Final = 60
MOST_INSTRUMENTS: Final = 6
HOURS_OF_LIQUIDATIONS: Final = 24


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """The mark price of an instrument at the end of each of the last minutes."""

    symbol: str
    minutes: Sequence[datetime]
    prices: Sequence[Decimal]


@dataclass(frozen=True, slots=True)
class HourlyCount:
    """How many accounts were closed out in the hour that begins at ``hour``."""

    hour: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All of it, as of now."""

    trading_halted: bool
    kpis: TradingKpis
    instruments: Sequence[Instrument]
    price_histories: Sequence[PriceHistory]
    liquidations: Sequence[HourlyCount]


def get_dashboard() -> Dashboard:
    """Return what the dashboard shows."""
    instruments = list(current_prices())
    return Dashboard(
        trading_halted=get_policy().trading_halted,
        kpis=get_trading_kpis(),
        instruments=instruments,
        price_histories=[price_history(row.symbol) for row in instruments[:MOST_INSTRUMENTS]],
        liquidations=liquidations_per_hour(now=timezone.now()),
    )


def price_history(symbol: str) -> PriceHistory:
    """Return the closes of the last minutes in which an instrument had a price."""
    history = candles(symbol=symbol, interval="1m", limit=MINUTES_OF_PRICES)
    return PriceHistory(
        symbol, [candle.open_time for candle in history], [candle.close for candle in history]
    )


def liquidations_per_hour(*, now: datetime) -> list[HourlyCount]:
    """Return the close-outs of the last day, hour by hour, hours without any included."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=n) for n in reversed(range(HOURS_OF_LIQUIDATIONS))]
    rows = (
        Liquidation.objects.filter(created_at__gte=hours[0])
        .order_by()
        .values_list(TruncHour("created_at"))
        .annotate(Count("id"))
    )
    counts = dict(rows)
    return [HourlyCount(hour, counts.get(hour, 0)) for hour in hours]
