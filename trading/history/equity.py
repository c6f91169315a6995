"""What an account was worth at moments of the past, recomputed from what is recorded.

Equity is Σ transfers + Σ (q·p − c) at the mark p of the moment. q is Σ of signed sizes and c is
Σ of (signed notional + realised P&L) over the account's trades: a closing fill of size z at p
takes c·z/|q| from the cost, which is its notional less what it realised.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from accounts.models import Account
from market.kernel.amounts import ZERO, round_half_even
from market.kernel.snapshot import consistent_read

#: Between how many moments, evenly spread, a curve is drawn.
STEPS: Final = 120

#: How far curves reach back, by the names that the console shows.
CURVES: Final = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "all": timedelta(days=36_500),
}


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Balance and equity in USDT; no equity where a price of something held is forgotten.

    ``market_time`` is that of the latest recorded candle which what is held is valued by, if any.
    """

    at: datetime
    balance: Decimal
    equity: Decimal | None
    market_time: datetime | None = None


# n is the first moment at or after the row's; all that came before the first moment is in n = 0.
# ``ends`` are a microsecond, the smallest step of a time, past the moments.
TRANSFERS: Final = """
SELECT width_bucket(created_at, %(ends)s::timestamptz[]) AS n,
       sum(amount)
FROM (
    SELECT created_at, amount FROM accounts_transfer WHERE credit_account_id = %(account)s
    UNION ALL
    SELECT created_at, -amount FROM accounts_transfer WHERE debit_account_id = %(account)s
) AS flow
GROUP BY n
"""

TRADES: Final = """
SELECT width_bucket(created_at, %(ends)s::timestamptz[]) AS n,
       instrument_id,
       sum(CASE side WHEN 'buy' THEN size ELSE -size END),
       sum(CASE side WHEN 'buy' THEN notional ELSE -notional END + realized_pnl)
FROM trading_trade
WHERE account_id = %(account)s
GROUP BY n, instrument_id
"""

# Where ticks are forgotten, the close of the last candle of a minute that had ended.
MARKS: Final = """
SELECT n - 1, instrument_id, coalesce(tick.price, kept.close),
       coalesce(tick.market_time, kept.market_time)
FROM unnest(%(ends)s::timestamptz[]) WITH ORDINALITY AS moment (past, n)
CROSS JOIN unnest(%(instruments)s::bigint[]) AS traded (instrument_id)
LEFT JOIN LATERAL (
    SELECT price, market_time
    FROM market_pricetick AS tick
    WHERE tick.instrument_id = traded.instrument_id
        AND tick.created_at < moment.past
    ORDER BY tick.created_at DESC
    LIMIT 1
) AS tick ON true
LEFT JOIN LATERAL (
    SELECT close, market_time
    FROM market_keptcandle AS kept
    WHERE tick.price IS NULL AND kept.instrument_id = traded.instrument_id
        AND kept.seconds = 60 AND kept.open_time < moment.past - interval '1 minute'
    ORDER BY kept.open_time DESC
    LIMIT 1
) AS kept ON true
"""

Changes = Mapping[int, Sequence[tuple[Any, ...]]]


def equity_curve(*, account: Account, curve: str) -> list[EquityPoint]:
    """Return STEPS + 1 points up to now, from one of CURVES ago or, if later, the first transfer.

    ``account`` is a user's; none where no money ever came in.
    """
    now = timezone.now()
    first = account.credits.aggregate(at=Min("created_at"))["at"]
    if first is None:
        return []
    start = max(now - CURVES[curve], first)
    moments = [start + (now - start) * n / STEPS for n in range(STEPS + 1)]
    ends = [moment + timedelta(microseconds=1) for moment in moments]
    parameters: dict[str, Any] = {"account": account.pk, "ends": ends}
    with consistent_read():
        transfers = by_moment(TRANSFERS, parameters)
        trades = by_moment(TRADES, parameters)
        traded = sorted({instrument for rows in trades.values() for instrument, *_ in rows})
        marks = by_moment(MARKS, {**parameters, "instruments": traded})
    return points(moments, transfers, trades, marks)


def by_moment(query: str, parameters: dict[str, Any]) -> Changes:
    """Return the rows of a query by their first column."""
    rows: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        for n, *row in cursor.fetchall():
            rows[n].append(tuple(row))
    return rows


def points(
    moments: Sequence[datetime], transfers: Changes, trades: Changes, marks: Changes
) -> list[EquityPoint]:
    """Add up what changed, moment by moment, and value it at the marks of each."""
    balance, curve = ZERO, []
    quantities: defaultdict[int, Decimal] = defaultdict(Decimal)
    costs: defaultdict[int, Decimal] = defaultdict(Decimal)
    for n, at in enumerate(moments):
        balance += sum((amount for (amount,) in transfers.get(n, ())), ZERO)
        for instrument, quantity, cost in trades.get(n, ()):
            quantities[instrument] += quantity
            costs[instrument] += cost
        held = {instrument: quantity for instrument, quantity in quantities.items() if quantity}
        valued = [row for row in marks.get(n, ()) if row[0] in held]
        equity = worth(balance, held, costs, {key: price for key, price, _ in valued})
        market_time = max((time for *_, time in valued if time is not None), default=None)
        curve.append(EquityPoint(at, balance, equity, market_time))
    return curve


def worth(
    balance: Decimal,
    held: Mapping[int, Decimal],
    costs: Mapping[int, Decimal],
    prices: Mapping[int, Decimal | None],
) -> Decimal | None:
    """Return the equity at one moment; None where the mark of something held is unknown."""
    equity = balance
    for instrument, quantity in held.items():
        price = prices.get(instrument)
        if price is None:
            return None
        equity += quantity * price - costs[instrument]
    return round_half_even(equity)
