"""How far the accounts are levered: open interest by effective leverage, and figures by tier.

Effective leverage is the notional of an account's positions at the marks ÷ its equity. What
happened in a window is read by key, and of MOST_ROWS rows at most. Money in USDT.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from django.db.models import Model
from django.utils import timezone

from accounts.models import Tier
from kpi.leverage.tier_counts import tier_counts
from kpi.selectors import MOST_POSITIONS
from market.kernel.amounts import ZERO
from market.kernel.endless import not_before
from market.kernel.rows import rows_of
from market.kernel.snapshot import consistent_read
from risk.selectors import open_positions
from trading.models import Liquidation, Order, Trade

#: Where the bars of the histogram begin, after the first one from 0.
BOUNDS: Final = (1, 2, 3, 5, 10, 20, 50)
#: So many of the latest orders, trades and close-outs are looked at.
MOST_ROWS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Bar:
    """The accounts with a leverage from ``low`` to below ``high``; None is no bound.

    With neither they have no equity. ``notional`` is by tier.
    """

    low: int | None
    high: int | None
    accounts: int
    notional: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        return sum(self.notional.values(), ZERO)


@dataclass(slots=True)
class TierFigures:
    """The accounts of a tier as they stand, and what they did in the window.

    ``holders`` have open positions, of ``notional``. ``orders`` are those that clients asked for.
    ``accounts`` and their ``exposure``, which has what orders reserve as well, are as counted last,
    None before.
    """

    accounts: int | None = None
    exposure: Decimal | None = None
    holders: int = 0
    notional: Decimal = ZERO
    equity: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    orders: int = 0
    refused: int = 0
    closed_out: int = 0


@dataclass(slots=True)
class Levels:
    """All of it; ``cut`` says since when the rows of a kind were looked at that were too many.

    ``counted_at`` is when accounts and their exposure were counted last, None before.
    """

    since: datetime
    counted_at: datetime | None = None
    bars: Sequence[Bar] = ()
    tiers: Mapping[str, TierFigures] = field(default_factory=dict)
    cut: dict[str, datetime] = field(default_factory=dict)


def read_levels(*, window: timedelta) -> Levels | None:
    """Return the levels of now and what happened in a window up to now, as of one moment.

    None with more than MOST_POSITIONS open positions.
    """
    with consistent_read():
        if open_positions()[: MOST_POSITIONS + 1].count() > MOST_POSITIONS:
            return None
        tiers = {tier: TierFigures() for tier in Tier.values}
        levels = Levels(timezone.now() - window, tiers=tiers)
        counts = tier_counts()
        levels.counted_at = counts.at
        for tier, own in tiers.items() if counts.at else ():
            own.accounts, own.exposure = counts.by_tier.get(tier, (0, ZERO))
        levels.bars = bars_of(read_holdings(), tiers)
        for part in PARTS:
            add_part(levels, part)
    return levels


# The bucket after the last one is of those without equity.
HOLDINGS: Final = """
SELECT owner.tier,
       CASE WHEN equity > 0 THEN width_bucket(notional / equity, %(bounds)s::numeric[])
            ELSE %(none)s END AS bucket,
       count(*), sum(notional), sum(equity), sum(equity - account.balance)
FROM risk_standing AS standing
JOIN accounts_account AS account ON account.id = standing.account_id
JOIN accounts_user AS owner ON owner.id = account.user_id
GROUP BY owner.tier, bucket
"""


def read_holdings() -> list[tuple[Any, ...]]:
    return rows_of(HOLDINGS, {"bounds": list(BOUNDS), "none": len(BOUNDS) + 1})


def bars_of(holdings: Sequence[tuple[Any, ...]], tiers: Mapping[str, TierFigures]) -> Sequence[Bar]:
    """Return the bars of the histogram, and add what is held to the tiers."""
    counts, notionals = [0] * (len(BOUNDS) + 2), [dict[str, Decimal]() for _ in (*BOUNDS, 0, 0)]
    for tier, bucket, accounts, notional, equity, pnl in holdings:
        counts[bucket] += accounts
        notionals[bucket][tier] = notional
        own = tiers[tier]
        own.holders, own.notional = own.holders + accounts, own.notional + notional
        own.equity, own.unrealized_pnl = own.equity + equity, own.unrealized_pnl + pnl
    ends: list[tuple[int | None, int | None]] = [*pairwise((0, *BOUNDS)), (BOUNDS[-1], None)]
    return [
        Bar(*end, count, notional)
        for end, count, notional in zip([*ends, (None, None)], counts, notionals, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of a window: SQL for figures of the ``recent`` rows of a table, by tier."""

    title: str
    model: type[Model]
    columns: str
    figures: str
    add: Callable[[TierFigures, Any], None]


def add_orders(own: TierFigures, row: Any) -> None:
    own.orders, own.refused = row


def add_trades(own: TierFigures, row: Any) -> None:
    [own.realized_pnl] = row


def add_close_outs(own: TierFigures, row: Any) -> None:
    [own.closed_out] = row


PARTS: Final = (
    Part(
        "orders",
        Order,
        "status, liquidation",
        "count(*) FILTER (WHERE NOT liquidation), count(*) FILTER (WHERE status = 'REJECTED')",
        add_orders,
    ),
    Part("trades", Trade, "realized_pnl", "sum(realized_pnl)", add_trades),
    Part("close-outs", Liquidation, "id", "count(DISTINCT account_id)", add_close_outs),
)
# The newest first; what the limit leaves out is told by the number of rows.
RECENT: Final = """
WITH recent AS MATERIALIZED (
    SELECT account_id, created_at, {columns} FROM {table}
    WHERE id >= %(first)s AND created_at >= %(since)s
    ORDER BY id DESC LIMIT %(most)s
)
SELECT owner.tier, (SELECT count(*) FROM recent), (SELECT min(created_at) FROM recent), {figures}
FROM recent
JOIN accounts_account AS account ON account.id = recent.account_id
JOIN accounts_user AS owner ON owner.id = account.user_id
GROUP BY owner.tier
"""


def add_part(levels: Levels, part: Part) -> None:
    first = first_key(part.model, levels.since)
    if first is None:
        return
    statement = RECENT.format(
        columns=part.columns, table=part.model._meta.db_table, figures=part.figures
    )
    asked = {"first": first, "since": levels.since, "most": MOST_ROWS}
    for tier, rows, earliest, *figures in rows_of(statement, asked):
        part.add(levels.tiers[tier], figures)
        if rows == MOST_ROWS:
            levels.cut[part.title] = earliest


def first_key(model: Any, since: datetime) -> int | None:
    """Return the id of the first row that may be from ``since`` on."""
    rows = model.objects.all()
    found = rows.filter(pk__gte=not_before(rows, "created_at", since)).order_by("pk")
    key: int | None = found.values_list("pk", flat=True).first()
    return key
