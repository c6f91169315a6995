"""The moments at which an account is valued, and what is on record of each.

They are the opening of each bar of the chart, each close-out just before and just after it, and
the present where the chart reaches it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from itertools import accumulate
from typing import Any, Final

from django.db import connection

from accounts.models import Transfer
from kpi.paths.between import ids_between, sql_array
from kpi.paths.spans import Span
from trading.models import Liquidation

MICROSECOND: Final = timedelta(microseconds=1)
#: Later than anything that happens.
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
#: Close-outs of one chart, the newest ones, and transfers that are looked at of each direction.
MOST_CLOSE_OUTS: Final = 50
MOST_TRANSFERS: Final = 100_000


class Kind(Enum):
    """What a moment is, which says whose marks are in force."""

    BAR = "bar"
    BEFORE = "before"
    AFTER = "after"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Moment:
    """What happened before ``end`` has happened; ``close_out`` is the one it belongs to."""

    at: datetime
    end: datetime
    kind: Kind
    close_out: Liquidation | None = None


def moments_of(span: Span, close_outs: Sequence[Liquidation], *, now: datetime) -> list[Moment]:
    """Return the moments of a chart in their order."""
    found = [Moment(bar, bar, Kind.BAR) for bar in span.bars]
    for one in close_outs:
        at = one.created_at
        found.append(Moment(at, at, Kind.BEFORE, one))
        found.append(Moment(at, at + MICROSECOND, Kind.AFTER, one))
    if span.until >= now:
        found.append(Moment(now, NEVER, Kind.NOW))
    return sorted(found, key=lambda moment: moment.end)


def close_outs_in(account_id: int, span: Span) -> list[Liquidation]:
    """Return the newest close-outs of an account among those of a span."""
    found = Liquidation.objects.filter(
        account_id=account_id, created_at__gte=span.since, created_at__lte=span.until
    )
    return list(found[:MOST_CLOSE_OUTS])


# n is the first moment that a row is in. Each way is grouped by that alone, which takes less.
FLOW: Final = """
(SELECT n, {way}, sum(amount), count(*) FROM (
    SELECT width_bucket(created_at, %(ends)s::timestamptz[]) AS n, amount
    FROM accounts_transfer WHERE {side}_account_id = %(account)s AND id >= %(low)s
    ORDER BY id DESC LIMIT %(most)s
) AS flow GROUP BY n ORDER BY n)
"""
TRANSFERS: Final = " UNION ALL ".join(
    FLOW.format(way=way, side=side) for way, side in ((1, "credit"), (-1, "debit"))
)


def balances(
    account_id: int, moments: Sequence[Moment], *, present: Decimal, first: int
) -> list[Decimal | None]:
    """Return the balance at each moment from ``first`` on: the present one less what came since.

    None before, and where there were more transfers than are looked at.
    """
    if first == len(moments):
        return [None] * first
    low, _ = ids_between(Transfer, "created_at", moments[first].end, NEVER)
    parameters: dict[str, Any] = {
        "account": account_id,
        "ends": sql_array(moment.end for moment in moments),
        "low": low,
        "most": MOST_TRANSFERS,
    }
    with connection.cursor() as cursor:
        cursor.execute(TRANSFERS, parameters)
        rows = cursor.fetchall()
    moved: defaultdict[int, Decimal] = defaultdict(Decimal)
    counts: dict[int, list[tuple[int, int]]] = {1: [], -1: []}
    for n, way, amount, count in rows:
        moved[n] += way * amount
        counts[way].append((n, count))
    since = max(first, *(known_since(each) for each in counts.values()))
    later = [moved[n] for n in range(len(moments), 0, -1)]
    known = [present - gone for gone in accumulate(later)][::-1]
    return [balance if n >= since else None for n, balance in enumerate(known)]


def known_since(counts: Sequence[tuple[int, int]]) -> int:
    """Return the first moment from which on all transfers of a direction were looked at."""
    if sum(count for _, count in counts) < MOST_TRANSFERS:
        return 0
    return next(n for n, count in counts if count)


# A mark of a bar's opening is the last close before it; one of a close-out needs its own tick,
# which may be forgotten by then.
MARKS: Final = """
SELECT n, asked.instrument_id, CASE WHEN is_bar THEN (
    SELECT close FROM market_keptcandle AS candle
    WHERE candle.instrument_id = asked.instrument_id AND seconds = 60 AND open_time < at
    ORDER BY open_time DESC LIMIT 1
) ELSE (
    SELECT price FROM market_pricetick AS tick
    WHERE tick.instrument_id = asked.instrument_id AND tick.created_at <= at
    ORDER BY tick.created_at DESC LIMIT 1
) END
FROM unnest(%(ns)s::int[], %(ids)s::bigint[], %(ats)s::timestamptz[], %(bars)s::boolean[])
    AS asked (n, instrument_id, at, is_bar)
"""


def marks(
    moments: Sequence[Moment], held: Sequence[Mapping[int, Any] | None], present: Mapping[int, Any]
) -> list[dict[int, Decimal]]:
    """Return the marks of what was held at each moment, as far as they are on record."""
    found: list[dict[int, Decimal]] = [{} for _ in moments]
    asked = [
        (n, instrument, moment.at, moment.kind is Kind.BAR)
        for n, (moment, holdings) in enumerate(zip(moments, held, strict=True))
        if moment.kind is not Kind.NOW
        for instrument in holdings or ()
    ]
    if asked:
        ns, ids, ats, bars = zip(*asked, strict=True)
        columns: dict[str, Any] = {
            "ns": list(ns),
            "ids": list(ids),
            "ats": sql_array(ats),
            "bars": list(bars),
        }
        with connection.cursor() as cursor:
            cursor.execute(MARKS, columns)
            for n, instrument, mark in cursor.fetchall():
                if mark is not None:
                    found[n][instrument] = mark
    if moments and moments[-1].kind is Kind.NOW:
        found[-1] = {key: one for key, one in present.items() if one is not None}
    return found
