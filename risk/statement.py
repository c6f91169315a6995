"""The account statement: what an account is worth and has at stake, at present mark prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.errors import AccountNotFound
from accounts.models import Account
from market.kernel.amounts import EXACT, ZERO, round_half_even
from market.kernel.snapshot import consistent_read
from risk.models import Position, PositionStatus
from risk.selectors import (
    account_state,
    account_states,
    get_policy,
    newest_positions,
    positions_by_account,
)
from risk.state import AccountState


@dataclass(frozen=True, slots=True)
class PositionLine:
    """A position as its owner sees it; amounts in USDT.

    A closed position has no quantity, margin or unrealised P&L; ``entry_price`` and
    ``liquidation_price`` are then None.
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
    liquidation_price: Decimal | None
    liquidated: bool
    status: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's figures in USDT; ``margin_ratio`` is None without positions."""

    user_id: int
    username: str
    tier: str
    balance: Decimal
    equity: Decimal
    unrealized_pnl: Decimal
    margin_used: Decimal
    available_margin: Decimal
    margin_ratio: Decimal | None
    exposure: Decimal
    suspended: bool
    positions: list[PositionLine]


def account_statement(*, user_id: int) -> Statement:
    """Return the statement of a user's account. Raises AccountNotFound.

    It lists the open positions, and a liquidated one until its instrument is traded again, so that
    its owner sees what became of it.
    """
    with consistent_read():
        accounts = Account.objects.select_related("user", "reservation")
        account = accounts.filter(user_id=user_id).first()
        if account is None:
            raise AccountNotFound
        return statement_of(account)


def statement_of(account: Account) -> Statement:
    """Return the statement of an account row with its user."""
    assert account.user is not None
    state = account_state(account, positions_by_account([account.pk]).get(account.pk, {}))
    return Statement(
        user_id=account.user.pk,
        username=account.user.username,
        tier=account.user.tier,
        balance=state.balance,
        equity=state.equity,
        unrealized_pnl=state.unrealized_pnl,
        margin_used=state.margin_used,
        available_margin=state.available_margin,
        margin_ratio=state.margin_ratio,
        exposure=state.exposure,
        suspended=account.suspended,
        positions=lines_of(statement_positions(account), {account.pk: state}),
    )


def statement_positions(account: Account) -> list[Position]:
    """Return the newest position of each instrument where it is open or was liquidated."""
    newest = newest_positions(account_id=account.pk).exclude(status=PositionStatus.CLOSED)
    return list(newest.order_by("instrument_id"))


def position_lines(positions: list[Position]) -> list[PositionLine]:
    """Return rows, whatever accounts they belong to, with their figures at present marks."""
    open_accounts = {row.account_id for row in positions if row.status == PositionStatus.OPEN}
    return lines_of(positions, account_states(sorted(open_accounts)))


def lines_of(positions: list[Position], states: Mapping[int, AccountState]) -> list[PositionLine]:
    """Return rows with their figures; ``states`` has each account with an open one."""
    threshold = get_policy().liquidation_threshold
    return [position_line(row, states.get(row.account_id), threshold) for row in positions]


def position_line(row: Position, account: AccountState | None, threshold: Decimal) -> PositionLine:
    """Return one row with its figures; ``account`` is the state that holds it while it is open."""
    position = account.positions.get(row.instrument_id) if account else None
    if row.status != PositionStatus.OPEN:
        position = None
    return PositionLine(
        position_id=row.pk,
        user_id=row.account.user_id,
        symbol=row.instrument.symbol,
        quantity=row.quantity,
        entry_price=entry_price(row),
        mark_price=row.instrument.mark_price,
        notional=position.notional if position else ZERO,
        margin=row.margin,
        leverage=row.leverage,
        unrealized_pnl=position.unrealized_pnl if position else ZERO,
        realized_pnl=row.realized_pnl,
        liquidation_price=(
            account.liquidation_price(position, threshold) if account and position else None
        ),
        liquidated=row.status == PositionStatus.LIQUIDATED,
        status=row.status,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


def entry_price(row: Position) -> Decimal | None:
    """Return ``cost ÷ quantity``, half-even to eight places; None when flat."""
    if row.quantity == 0:
        return None
    return round_half_even(EXACT.divide(row.cost, row.quantity))
