"""What an account held at moments of the past, replayed from its fills.

A margin depends on every fill since the position was opened, in their order. So of each position
that was open at one of the moments all fills are replayed from its opening on; where a fill turned
a position round, from the opening of the one before. Positions between two moments are not read.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection

from kpi.paths.between import ids_between, sql_array
from kpi.paths.moments import MICROSECOND, NEVER
from market.kernel.amounts import ZERO
from risk.fills import Holding, apply_fill
from risk.models import Position
from risk.state import FLAT
from trading.models import Trade

#: Positions and trades that are looked at, the newest ones, and fills that are replayed of them.
MOST_POSITIONS: Final = 50_000
MOST_TRADES: Final = 100_000
MOST_REPLAYED: Final = 5_000
#: How often a position may have been turned round before it, without being flat in between.
MOST_TURNS: Final = 100

# A position is open from the moment first to before the moment last. Few are open at one, so that
# they are picked as they are passed; beyond is the newest one that is not looked at.
RUNS: Final = """
WITH RECURSIVE looked AS MATERIALIZED (
    SELECT (SELECT id FROM risk_position WHERE account_id = %(account)s AND id < %(stop)s
            ORDER BY id DESC OFFSET %(most)s LIMIT 1) AS beyond
), run AS (
    SELECT id, id AS earliest, instrument_id, opened_at, closed_at,
           width_bucket(opened_at, %(ends)s::timestamptz[]) AS first,
           coalesce(width_bucket(closed_at, %(ends)s::timestamptz[]), %(moments)s) AS last,
           0 AS turns
    FROM risk_position
    WHERE account_id = %(account)s AND id < %(stop)s
        AND id > coalesce((SELECT beyond FROM looked), 0)
        AND width_bucket(opened_at, %(ends)s::timestamptz[])
            < coalesce(width_bucket(closed_at, %(ends)s::timestamptz[]), %(moments)s)
    UNION ALL
    SELECT run.id, before.id, run.instrument_id, before.opened_at, run.closed_at, first, last,
           turns + 1
    FROM run CROSS JOIN LATERAL (
        SELECT id, opened_at, closed_at FROM risk_position
        WHERE account_id = %(account)s AND instrument_id = run.instrument_id AND id < run.earliest
        ORDER BY id DESC LIMIT 1
    ) AS before
    WHERE before.closed_at = run.opened_at AND turns < %(turns)s
), whole AS (
    SELECT DISTINCT ON (id) * FROM run ORDER BY id, turns DESC
)
SELECT found.since, whole.id, whole.instrument_id, whole.opened_at,
       coalesce(whole.closed_at, %(never)s), whole.first, whole.last, whole.closed_at IS NULL
FROM (
    SELECT CASE WHEN beyond IS NULL THEN 0 ELSE (
        SELECT min(width_bucket(opened_at, %(ends)s::timestamptz[])) FROM risk_position
        WHERE account_id = %(account)s AND id > beyond AND id < %(stop)s
    ) END AS since FROM looked
) AS found
LEFT JOIN whole ON true
ORDER BY whole.id
"""
# n is the first moment that a fill is in. Trades are passed newest first, along their index, until
# enough of them are fills of a run. That there are few spots must be plain to the planner.
FILLS: Final = """
WITH spot AS MATERIALIZED (
    SELECT run.id, instrument_id, start, stop, n
    FROM (
        SELECT run.*, width_bucket(start, %(ends)s::timestamptz[]) AS first
        FROM unnest(%(ids)s::bigint[], %(instruments)s::bigint[], %(starts)s::timestamptz[],
                    %(stops)s::timestamptz[], %(lasts)s::int[])
            AS run (id, instrument_id, start, stop, last)
        OFFSET 0
    ) AS run
    JOIN generate_series(0, %(moments)s) AS n ON n BETWEEN run.first AND run.last
), fill AS MATERIALIZED (
    SELECT newest.*, width_bucket(created_at, %(ends)s::timestamptz[]) AS n
    FROM (
        SELECT id, instrument_id, side, size, price, leverage, created_at
        FROM trading_trade
        WHERE account_id = %(account)s AND id >= %(low)s AND id < %(high)s
        ORDER BY id DESC LIMIT %(most)s
    ) AS newest
    WHERE CASE instrument_id {held} END
    ORDER BY id DESC LIMIT %(replayed)s
)
SELECT spot.id, CASE side WHEN 'buy' THEN size ELSE -size END, price, leverage, n,
       created_at = start
FROM fill JOIN spot USING (instrument_id, n)
WHERE created_at >= start AND created_at <= stop
ORDER BY fill.id DESC LIMIT %(replayed)s
"""
# Of times in turn at which something is held from, and no longer is.
HELD: Final = "WHEN %({key})s THEN width_bucket(created_at, %({times})s::timestamptz[]) %% 2 = 1"


class Run(NamedTuple):
    """A position that was open from moment ``first`` to before ``last``.

    Its fills begin at ``start``, where the account was flat.
    """

    id: int
    instrument_id: int
    start: datetime
    stop: datetime
    first: int
    last: int
    is_open: bool


class Fill(NamedTuple):
    """A fill; ``opens`` tells that the account was flat before it."""

    run_id: int
    size: Decimal
    price: Decimal
    leverage: int
    n: int
    opens: bool


Course = Sequence[tuple[int, Holding | None]]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What was held from which moment on, by instrument; None where it is not recomputed.

    Before the moment ``since`` nothing is known.
    """

    courses: Sequence[tuple[int, Course]]
    since: int

    def by_moment(self, moments: int) -> list[dict[int, Holding | None] | None]:
        """Return at each moment what was held, without what was flat; None before ``since``."""
        changed: defaultdict[int, list[tuple[int, Holding | None]]] = defaultdict(list)
        for instrument, course in self.courses:
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
    runs, since = runs_of(account_id, ends)
    fills: defaultdict[int, list[Fill]] = defaultdict(list)
    for fill in fills_of(account_id, ends, runs):
        fills[fill.run_id].append(fill)
    reaches_now, courses = ends[-1] == NEVER, list[tuple[int, Course]]()
    for run in runs:
        now = present.get(run.instrument_id) if reaches_now and run.is_open else None
        course = course_of(run, fills[run.id], now, moments=len(ends))
        courses.append((run.instrument_id, course))
    return Holdings(courses, since)


def runs_of(account_id: int, ends: Sequence[datetime]) -> tuple[list[Run], int]:
    """Return the positions open at a moment, and the first moment of which all are known."""
    _, stop = ids_between(Position, "opened_at", ends[0], ends[-1])
    parameters: dict[str, Any] = {
        "account": account_id,
        "ends": sql_array(ends),
        "moments": len(ends),
        "stop": stop,
        "most": MOST_POSITIONS,
        "never": NEVER,
        "turns": MOST_TURNS,
    }
    with connection.cursor() as cursor:
        cursor.execute(RUNS, parameters)
        rows = cursor.fetchall()
    since: int = rows[0][0]
    return [Run(*row[1:]) for row in rows if row[1] is not None], since


def fills_of(account_id: int, ends: Sequence[datetime], runs: Sequence[Run]) -> list[Fill]:
    """Return the fills of positions, oldest first."""
    if not runs:
        return []
    low, high = ids_between(Trade, "created_at", min(run.start for run in runs), ends[-1])
    held, times = held_by(runs)
    parameters: dict[str, Any] = {
        "account": account_id,
        "ends": sql_array(ends),
        "moments": len(ends),
        "ids": [run.id for run in runs],
        "instruments": [run.instrument_id for run in runs],
        "starts": sql_array(run.start for run in runs),
        "stops": sql_array(run.stop for run in runs),
        "lasts": [run.last for run in runs],
        "low": low,
        "high": high,
        "most": MOST_TRADES,
        "replayed": MOST_REPLAYED,
    }
    with connection.cursor() as cursor:
        cursor.execute(FILLS.format(held=held), parameters | times)
        return [Fill(*row) for row in reversed(cursor.fetchall())]


def held_by(runs: Sequence[Run]) -> tuple[str, dict[str, Any]]:
    """Return SQL that tells of a fill, by its instrument and time, whether it is one of a run's."""
    times: defaultdict[int, list[datetime]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.start):
        known = times[run.instrument_id]
        stop = max(run.start, run.stop) + MICROSECOND
        if known and run.start <= known[-1]:
            known[-1] = max(known[-1], stop)
        else:
            known += (run.start, stop)
    parameters: dict[str, Any] = {}
    for n, (instrument_id, each) in enumerate(times.items()):
        parameters |= {f"key{n}": instrument_id, f"times{n}": sql_array(each)}
    whens = (HELD.format(key=f"key{n}", times=f"times{n}") for n in range(len(times)))
    return " ".join(whens), parameters


def course_of(run: Run, fills: Sequence[Fill], now: Holding | None, *, moments: int) -> Course:
    """Return what was held of a position, from which moment on.

    Where its opening is not among the fills, or they do not lead to what is on record, it is not
    known; but what it is ``now``, it was since its last fill.
    """
    drawn: list[tuple[int, Holding | None]] = [(run.first, None)]
    course = replayed(run, fills, now, moments=moments) if fills and fills[0].opens else None
    if course is not None:
        drawn = [(max(n, run.first), one) for n, one in course.items() if n < run.last]
    elif now is not None:
        drawn.append((max(fills[-1].n if fills else moments - 1, run.first), now))
    return [*drawn, (run.last, FLAT)]


def replayed(
    run: Run, fills: Sequence[Fill], now: Holding | None, *, moments: int
) -> dict[int, Holding] | None:
    """Return the holding after the fills of each moment; None if they do not end as recorded."""
    before = holding = FLAT
    course = {}
    for fill in fills:
        before = holding
        holding = apply_fill(holding, fill.size, fill.price, fill.leverage).holding
        course[fill.n] = holding
    return course if ends_well(run, before, holding, now, moments) else None


def ends_well(run: Run, before: Holding, after: Holding, now: Holding | None, moments: int) -> bool:
    """Tell whether the last fill of a position leads to what is on record of it.

    One that was closed is flat after it, or turned round.
    """
    if now is not None:
        return after == now
    is_closed = after.quantity == ZERO or before.quantity * after.quantity < ZERO
    return run.last == moments or is_closed
