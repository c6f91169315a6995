"""The account statement: what an account is worth and has at stake, at present mark prices."""

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from accounts.errors import AccountNotFound
from market.kernel.amounts import EXACT, ZERO, round_half_even, round_up
from risk.closing import Standing
from risk.maintenance import Requirement, requirement_of
from risk.models import Position, PositionStatus
from risk.selectors import (
    ACCOUNT,
    POSITION,
    account_state,
    columns,
    requirement_in_force,
)
from risk.state import open_position


@dataclass(frozen=True, slots=True)
class PositionLine:
    """A position as its owner sees it; amounts in USDT.

    A closed position has no quantity, margin or unrealised P&L; ``entry_price`` and
    ``liquidation_price`` are then None. ``maintenance_margin`` is what an open one requires by
    brackets, rounded up; None where margin is required as a share.
    """

    position_id: int
    user_id: int | None
    symbol: str
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    notional: Decimal
    margin: Decimal
    leverage: int
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    maintenance_margin: Decimal | None
    liquidation_price: Decimal | None
    liquidated: bool
    status: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's figures in USDT; ``margin_ratio`` is None without positions.

    ``maintenance_margin`` is what the positions require by brackets, None by shares of the margin.
    """

    user_id: int
    username: str
    tier: str
    balance: Decimal
    equity: Decimal
    unrealized_pnl: Decimal
    margin_used: Decimal
    available_margin: Decimal
    margin_ratio: Decimal | None
    maintenance_margin: Decimal | None
    exposure: Decimal
    suspended: bool
    positions: list[PositionLine]


#: Where the lines of a statement are read, beside the columns of a state.
OWNER: Final = {
    "username": "owner.username",
    "tier": "owner.tier",
    "suspended": "account.suspended",
    "liquidation_threshold": "policy.liquidation_threshold",
    "margin_mode": "policy.margin_mode",
    "maintenance_brackets": "policy.maintenance_brackets",
}
LINE: Final = {
    "instrument_id": "instrument.id",
    "symbol": "instrument.symbol",
    "mark_price": "instrument.mark_price",
    **POSITION,
    **{name: f"position.{name}" for name in ("status", "opened_at", "closed_at")},
}
# Of each instrument the newest position, one look into an index however many were closed before.
STATEMENT: Final = """
SELECT {own}, seen.*
FROM accounts_account AS account
JOIN accounts_user AS owner ON owner.id = account.user_id
JOIN risk_riskpolicy AS policy ON policy.id = 1
LEFT JOIN risk_reservation AS reservation ON reservation.account_id = account.id
LEFT JOIN LATERAL (
    SELECT {line}
    FROM market_instrument AS instrument
    CROSS JOIN LATERAL (
        SELECT * FROM risk_position AS held
        WHERE held.account_id = account.id AND held.instrument_id = instrument.id
        ORDER BY held.id DESC LIMIT 1
    ) AS position
    WHERE position.status <> 'CLOSED'
) AS seen ON true
WHERE account.user_id = %s
ORDER BY seen.instrument_id
""".replace("{own}", columns(ACCOUNT | OWNER)).replace("{line}", columns(LINE))
StatementRow: Any = namedtuple("StatementRow", [*ACCOUNT, *OWNER, *LINE])  # type: ignore[misc]


def account_statement(*, user_id: int) -> Statement:
    """Return the statement of a user's account. Raises AccountNotFound.

    It lists the open positions, and a liquidated one until its instrument is traded again, so that
    its owner sees what became of it.
    """
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [user_id])
        rows: list[Any] = [StatementRow._make(row) for row in cursor.fetchall()]
    if not rows:
        raise AccountNotFound
    own, lines = rows[0], [row for row in rows if row.id is not None]
    state = account_state(own, [row for row in lines if row.status == PositionStatus.OPEN])
    by = requirement_of(own)
    standing = Standing(state.equity, state.position_margin, state.required(by))
    return Statement(
        user_id=own.user_id,
        username=own.username,
        tier=own.tier,
        balance=state.balance,
        equity=standing.equity,
        unrealized_pnl=state.unrealized_pnl,
        margin_used=state.margin_used,
        available_margin=state.available_margin,
        margin_ratio=state.margin_ratio,
        maintenance_margin=round_up(standing.required) if by.is_by_brackets else None,
        exposure=state.exposure,
        suspended=own.suspended,
        positions=[
            position_line(row, (own.user_id, row.symbol, row.mark_price), standing, by)
            for row in lines
        ],
    )


# A row of each account, however many positions it has.
STANDINGS: Final = """
SELECT account_id, equity, margin, required FROM risk_standing WHERE account_id = ANY(%s)
"""


def standings(account_ids: Sequence[int]) -> dict[int, Standing]:
    """Return how accounts with open positions stand by account id, each at present marks."""
    with connection.cursor() as cursor:
        cursor.execute(STANDINGS, [list(account_ids)])
        return {account_id: Standing(*figures) for account_id, *figures in cursor.fetchall()}


def position_lines(positions: Sequence[Position]) -> list[PositionLine]:
    """Return rows, whatever accounts they belong to, with their figures at present marks."""
    holders = {row.account_id for row in positions if row.status == PositionStatus.OPEN}
    standing = standings(sorted(holders)) if holders else {}
    by = requirement_in_force()
    return [
        position_line(
            row,
            (row.account.user_id, row.instrument.symbol, row.instrument.mark_price),
            standing.get(row.account_id),
            by,
        )
        for row in positions
    ]


def position_line(
    row: Any,
    known: tuple[int | None, str, Decimal | None],
    standing: Standing | None,
    by: Requirement,
) -> PositionLine:
    """Return one row with its figures; ``standing`` is that of its account while that holds any.

    ``known`` is its user, symbol and mark price.
    """
    user_id, symbol, mark_price = known
    position = price = None
    if standing and mark_price is not None and row.status == PositionStatus.OPEN:
        position = open_position(row, symbol, mark_price)
        price = position.liquidation_price(by, equity=standing.equity, required=standing.required)
    return PositionLine(
        position_id=row.id,
        user_id=user_id,
        symbol=symbol,
        quantity=row.quantity,
        entry_price=entry_price(row),
        mark_price=mark_price,
        notional=position.notional if position else ZERO,
        margin=row.margin,
        leverage=row.leverage,
        unrealized_pnl=position.unrealized_pnl if position else ZERO,
        realized_pnl=row.realized_pnl,
        maintenance_margin=(
            round_up(position.required(by)) if position and by.is_by_brackets else None
        ),
        liquidation_price=price,
        liquidated=row.status == PositionStatus.LIQUIDATED,
        status=row.status,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


def entry_price(row: Any) -> Decimal | None:
    """Return ``cost ÷ quantity``, half-even to eight places; None when flat."""
    if row.quantity == 0:
        return None
    return round_half_even(EXACT.divide(row.cost, row.quantity))
