"""Which fills are replayed for what an account held at moments of the past.

A margin depends on every fill since the position was opened, in their order. So a holding is
replayed from the last moment at which the account was flat in the instrument: SQL follows the
quantities alone, back from what is held now, and names the stretches between two such moments in
which one of the asked moments lies. Stretches that no moment lies in are not read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from django.db import connection

from risk.fills import Holding, apply_fill
from risk.state import FLAT

#: Trades that are looked at, the newest ones, and how many of them are replayed.
MOST_TRADES: Final = 100_000
MOST_REPLAYED: Final = 10_000

# n is the first moment that the row is in. In a stretch, numbered from the newest on, the quantity
# is never zero but after its last fill; the one numbered 0 is still open.
FILLS: Final = """
WITH newest AS MATERIALIZED (
    SELECT id, instrument_id, CASE side WHEN 'buy' THEN size ELSE -size END AS size, price,
           leverage, width_bucket(created_at, %(ends)s::timestamptz[]) AS n
    FROM trading_trade WHERE account_id = %(account)s ORDER BY id DESC LIMIT %(most)s
), followed AS (
    SELECT newest.*, coalesce(held.quantity, 0) - sum(size) OVER later AS before
    FROM newest LEFT JOIN risk_position AS held
        ON held.account_id = %(account)s AND held.instrument_id = newest.instrument_id
        AND held.status = 'OPEN'
    WINDOW later AS (PARTITION BY newest.instrument_id ORDER BY newest.id DESC
                     ROWS UNBOUNDED PRECEDING)
), numbered AS (
    SELECT followed.*, count(*) FILTER (WHERE before + size = 0) OVER later AS stretch
    FROM followed
    WINDOW later AS (PARTITION BY instrument_id ORDER BY id DESC ROWS UNBOUNDED PRECEDING)
), spread AS (
    SELECT numbered.*, min(n) OVER whole AS first, max(n) OVER whole AS last
    FROM numbered WINDOW whole AS (PARTITION BY instrument_id, stretch)
)
SELECT looked.trades, looked.oldest, looked.instruments,
       instrument_id, stretch, size, price, leverage, n, before = 0 AS opens, id
FROM (SELECT count(*) AS trades, coalesce(min(n), 0) AS oldest,
             array_agg(DISTINCT instrument_id) AS instruments FROM newest) AS looked
LEFT JOIN spread ON first < %(moments)s AND (stretch = 0 OR first < last)
ORDER BY id DESC LIMIT %(replayed)s
"""


class Row(NamedTuple):
    """A fill of a stretch; ``opens`` tells that the account was flat before it."""

    instrument_id: int
    stretch: int
    size: Decimal
    price: Decimal
    leverage: int
    n: int
    opens: bool
    id: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """What was held from which moment on, by instrument; None where it is not recomputed.

    Before the moment ``since`` nothing is known.
    """

    changes: Mapping[int, Sequence[tuple[int, Holding | None]]]
    since: int

    def by_moment(self, moments: int) -> list[dict[int, Holding | None] | None]:
        """Return at each moment what was held, without what was flat; None before ``since``."""
        changed: defaultdict[int, list[tuple[int, Holding | None]]] = defaultdict(list)
        for instrument, course in self.changes.items():
            for n, holding in course:
                changed[n].append((instrument, holding))
        held, at_each = dict[int, Holding | None](), list[dict[int, Holding | None] | None]()
        for n in range(moments):
            held.update(changed[n])
            open_ones = {key: one for key, one in held.items() if one is None or one.quantity}
            at_each.append(open_ones if n >= self.since else None)
        return at_each


def holdings(
    *, account_id: int, ends: Sequence[datetime], present: Mapping[int, Holding]
) -> Holdings:
    """Return what an account held before each of ``ends``; ``present`` is what it holds now."""
    parameters: dict[str, Any] = {
        "account": account_id,
        "ends": list(ends),
        "moments": len(ends),
        "most": MOST_TRADES,
        "replayed": MOST_REPLAYED,
    }
    with connection.cursor() as cursor:
        cursor.execute(FILLS, parameters)
        found = cursor.fetchall()
    trades, oldest, traded = found[0][:3]
    rows = [Row(*row[3:]) for row in reversed(found) if row[3] is not None]
    since = oldest if trades == MOST_TRADES else 0
    if len(rows) == MOST_REPLAYED:
        since = max(since, rows[0].n)
    untraded = {key: one for key, one in present.items() if key not in (traded or ())}
    return Holdings(
        {
            **{key: [(since, one)] for key, one in untraded.items()},
            **courses(rows, present),
        },
        since,
    )


def courses(
    rows: Iterable[Row], present: Mapping[int, Holding]
) -> dict[int, list[tuple[int, Holding | None]]]:
    """Replay the fills of each stretch, oldest first."""
    found: defaultdict[int, list[tuple[int, Holding | None]]] = defaultdict(list)
    ordered = sorted(rows, key=attrgetter("instrument_id", "id"))
    for (instrument, stretch), fills in groupby(ordered, key=lambda row: (row[0], row[1])):
        now = present.get(instrument, FLAT) if stretch == 0 else FLAT
        found[instrument] += replayed(list(fills), now)
    return found


def replayed(fills: Sequence[Row], afterwards: Holding) -> list[tuple[int, Holding | None]]:
    """Return the holding after the fills of one stretch, as of each moment.

    Where its first fill is not among them, only what was held ``afterwards`` is known.
    """
    if not fills[0].opens:
        return [(0, None), (fills[-1].n, afterwards)]
    holding, course = FLAT, dict[int, Holding | None]()
    for fill in fills:
        holding = apply_fill(holding, fill.size, fill.price, fill.leverage).holding
        course[fill.n] = holding
    return list(course.items())
