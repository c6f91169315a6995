"""How close-outs went along with a price: grouped by time, beside the fund and the bad debt.

However many there were, a window has so many groups at most for each side; of the close-outs the
latest MOST_ROWS are looked at. Money in USDT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone

from accounts.selectors import insurance_fund_balance, total_bad_debt
from kpi.history.series import get_history
from kpi.leverage.levels import MOST_ROWS, first_key
from market.candles import INTERVALS, candles
from market.kernel.amounts import EXACT, round_half_even
from market.kernel.rows import rows_of
from market.models import Instrument
from trading.models import Liquidation


@dataclass(frozen=True, slots=True)
class Window:
    """How far a view reaches back, the candles of its price line and the seconds of a group."""

    length: timedelta
    candle: str
    group: int


#: By their names in the address; those of the KPI history, where fund and bad debt stand.
WINDOWS: Final = {
    "1h": Window(timedelta(hours=1), "1m", 60),
    "24h": Window(timedelta(hours=24), "15m", 900),
    "7d": Window(timedelta(days=7), "1h", 7_200),
}


@dataclass(frozen=True, slots=True)
class Group:
    """The positions of one side that were closed out in some time.

    ``at`` is their mean time, ``price`` their mean price by size. ``insurance_paid`` and
    ``bad_debt`` are those of the accounts that held them.
    """

    at: datetime
    is_long: bool
    accounts: int
    size: Decimal
    notional: Decimal
    insurance_paid: Decimal
    bad_debt: Decimal

    @property
    def price(self) -> Decimal:
        return round_half_even(EXACT.divide(self.notional, self.size))


@dataclass(frozen=True, slots=True)
class Level:
    """What the insurance fund held and the bad debt was, at a moment."""

    at: datetime
    fund: Decimal
    bad_debt: Decimal


@dataclass(frozen=True, slots=True)
class Cascade:
    """A window up to ``until``; ``cut`` is since when it has close-outs if they were too many."""

    window: str
    instrument: Instrument
    since: datetime
    until: datetime
    prices: Sequence[tuple[datetime, Decimal]]
    groups: Sequence[Group]
    levels: Sequence[Level]
    cut: datetime | None


def get_cascade(*, window: str, instrument: Instrument) -> Cascade:
    """Return what happened to an instrument in a window, one of WINDOWS."""
    until = timezone.now()
    span = WINDOWS[window]
    since = until - span.length
    groups, cut = read_groups(instrument, since, span.group)
    return Cascade(
        window=window,
        instrument=instrument,
        since=since,
        until=until,
        prices=price_line(instrument, span, since, until),
        groups=groups,
        levels=read_levels(window, until),
        cut=cut,
    )


def price_line(
    instrument: Instrument, span: Window, since: datetime, until: datetime
) -> list[tuple[datetime, Decimal]]:
    """Return the closes of candles, each when it closed, and the mark as it is."""
    length = timedelta(seconds=INTERVALS[span.candle])
    found = candles(
        symbol=instrument.symbol,
        interval=span.candle,
        limit=span.length // length + 1,
        start=since,
    )
    closes = [(one.open_time + length, one.close) for one in found]
    line = [(at, close) for at, close in closes if at <= until]
    return line if instrument.mark_price is None else [*line, (until, instrument.mark_price)]


# By time and by the side that closed, of which a sell closes a long.
GROUPS: Final = """
WITH recent AS MATERIALIZED (
    SELECT id, insurance_paid, bad_debt, created_at FROM trading_liquidation
    WHERE id >= %(first)s AND created_at >= %(since)s
    ORDER BY id DESC LIMIT %(most)s
)
SELECT to_timestamp(avg(extract(epoch FROM recent.created_at))), trade.side = 'sell',
       count(*), sum(trade.size), sum(trade.notional), sum(insurance_paid), sum(bad_debt),
       (SELECT count(*) FROM recent), (SELECT min(created_at) FROM recent)
FROM recent
JOIN trading_trade AS trade
    ON trade.liquidation_id = recent.id AND trade.instrument_id = %(instrument)s
GROUP BY date_bin(%(seconds)s * interval '1 second', recent.created_at, 'epoch'), trade.side
ORDER BY 1, 2
"""


def read_groups(
    instrument: Instrument, since: datetime, seconds: int
) -> tuple[list[Group], datetime | None]:
    """Return the groups, oldest first, and since when they are known if not from ``since`` on."""
    first = first_key(Liquidation, since)
    if first is None:
        return [], None
    asked: dict[str, Any] = {
        "first": first,
        "since": since,
        "most": MOST_ROWS,
        "instrument": instrument.pk,
        "seconds": seconds,
    }
    rows = rows_of(GROUPS, asked)
    cut = rows[0][-1] if rows and rows[0][-2] == MOST_ROWS else None
    return [Group(*row[:-2]) for row in rows], cut


def read_levels(window: str, until: datetime) -> list[Level]:
    """Return fund and bad debt as the KPI snapshots keep them, and as they are."""
    funds, debts = (
        {point.timestamp: point.value for point in get_history(metric=name, window=window).points}
        for name in ("insurance_fund", "bad_debt")
    )
    # Between the two a snapshot may come, and the window go on.
    kept = [known_level(at, funds[at], debts[at]) for at in funds if at in debts]
    now = Level(until, insurance_fund_balance(), total_bad_debt())
    return [*(level for level in kept if level.at < until), now]


def known_level(at: datetime, *levels: float | None) -> Level:
    return Level(at, *(Decimal(str(level or 0)) for level in levels))


# What is at stake now decides where nothing was closed out.
MOST_CLOSED: Final = """
WITH recent AS MATERIALIZED (
    SELECT id FROM trading_liquidation
    WHERE id >= %(first)s AND created_at >= %(since)s
    ORDER BY id DESC LIMIT %(most)s
),
closed AS (
    SELECT trade.instrument_id, sum(trade.notional) AS notional
    FROM recent JOIN trading_trade AS trade ON trade.liquidation_id = recent.id
    GROUP BY trade.instrument_id
)
SELECT instrument.id
FROM market_instrument AS instrument
LEFT JOIN closed ON closed.instrument_id = instrument.id
LEFT JOIN risk_instrumentexposure AS exposure ON exposure.instrument_id = instrument.id
WHERE instrument.mark_price IS NOT NULL
ORDER BY closed.notional DESC NULLS LAST,
         (exposure.long_quantity + exposure.short_quantity) * exposure.mark_price DESC NULLS LAST,
         instrument.id
LIMIT 1
"""
#: Above every key.
NO_KEY: Final = 2**63 - 1


def most_closed(*, window: str) -> Instrument | None:
    """Return the instrument of which a window closed out the most; None without a mark."""
    since = timezone.now() - WINDOWS[window].length
    first = first_key(Liquidation, since)
    asked = {"first": NO_KEY if first is None else first, "since": since, "most": MOST_ROWS}
    rows = rows_of(MOST_CLOSED, asked)
    return Instrument.objects.get(pk=rows[0][0]) if rows else None
