"""Reads of the risk app: the state that an order is decided on, and exposures."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounts.models import Account
from market.amounts import ZERO
from risk.fills import Holding
from risk.models import GlobalExposure, Position, PositionStatus, RiskPolicy
from risk.state import AccountState, InstrumentState, Limits, OpenPosition, RiskSnapshot

# One row per open position and one for each instrument asked for, each beside account and limits:
# a single statement sees one moment of marks, positions and policy.
RISK_STATE = """
SELECT account.user_id, account.balance, account.suspended,
       coalesce(margin.reserved_margin, 0), coalesce(margin.reserved_notional, 0),
       coalesce(leverage.max_leverage, 1),
       policy.trading_halted, policy.max_mark_age_seconds, policy.user_exposure_limit,
       policy.global_exposure_threshold, policy.liquidation_threshold, policy.liquidation_mode,
       policy.liquidation_fee_rate,
       instrument.id, instrument.symbol, instrument.tick_size, instrument.lot_size,
       instrument.min_notional, instrument.maker_fee_rate, instrument.taker_fee_rate,
       instrument.halted, instrument.mark_price, instrument.marked_at,
       position.id, position.quantity, position.cost, position.margin, position.leverage,
       position.realized_pnl
FROM accounts_account AS account
JOIN accounts_user AS owner ON owner.id = account.user_id
JOIN risk_riskpolicy AS policy ON policy.id = 1
LEFT JOIN risk_leveragelimit AS leverage ON leverage.tier = owner.tier
LEFT JOIN risk_marginaccount AS margin ON margin.account_id = account.id
LEFT JOIN (
    market_instrument AS instrument
    LEFT JOIN risk_position AS position
        ON position.instrument_id = instrument.id
        AND position.account_id = %(account)s AND position.status = 'OPEN'
) ON position.id IS NOT NULL OR instrument.symbol = ANY(%(symbols)s)
WHERE account.id = %(account)s
"""


def read_risk_state(*, account_id: int, symbols: Collection[str] = ()) -> RiskSnapshot:
    """Return account, limits and the instruments of ``symbols`` as they are now.

    Under the account's lock this is what a decision may rest on.
    """
    with connection.cursor() as cursor:
        cursor.execute(RISK_STATE, {"account": account_id, "symbols": list(symbols)})
        rows = cursor.fetchall()
    first = rows[0]
    instruments = {row[14]: InstrumentState(*row[13:23]) for row in rows if row[13] is not None}
    positions = (open_position(row) for row in rows if row[23] is not None)
    return RiskSnapshot(
        account=AccountState(
            account_id=account_id,
            user_id=first[0],
            balance=first[1],
            positions={position.instrument_id: position for position in positions},
            reserved_margin=first[3],
            reserved_notional=first[4],
        ),
        limits=Limits(first[6], first[2], first[7], first[5], *first[8:13]),
        instruments=instruments,
    )


def open_position(row: tuple[Any, ...]) -> OpenPosition:
    """Return the position of a row of RISK_STATE."""
    return OpenPosition(
        id=row[23],
        instrument_id=row[13],
        symbol=row[14],
        holding=Holding(quantity=row[24], cost=row[25], margin=row[26]),
        leverage=row[27],
        realized_pnl=row[28],
        mark_price=row[21],
    )


def account_states(account_ids: Sequence[int]) -> dict[int, AccountState]:
    """Return the states of accounts by account id, each at present marks, for reading only."""
    positions = positions_by_account(account_ids)
    accounts = Account.objects.select_related("margin_account").filter(pk__in=account_ids)
    return {account.pk: account_state(account, positions[account.pk]) for account in accounts}


def positions_by_account(account_ids: Sequence[int]) -> dict[int, dict[int, OpenPosition]]:
    """Return the open positions of accounts by account id and instrument id."""
    positions: defaultdict[int, dict[int, OpenPosition]] = defaultdict(dict)
    rows = open_positions().filter(account_id__in=account_ids).select_related("instrument")
    for row in rows:
        positions[row.account_id][row.instrument_id] = as_open_position(row)
    return positions


def account_state(account: Account, positions: dict[int, OpenPosition]) -> AccountState:
    """Return the state of an account row whose margin account is loaded where it has one."""
    reserved = getattr(account, "margin_account", None)
    assert account.user_id is not None
    return AccountState(
        account_id=account.pk,
        user_id=account.user_id,
        balance=account.balance,
        positions=positions,
        reserved_margin=reserved.reserved_margin if reserved else ZERO,
        reserved_notional=reserved.reserved_notional if reserved else ZERO,
    )


def as_open_position(row: Position) -> OpenPosition:
    """Return an open row, with its instrument, at its present mark price."""
    assert row.instrument.mark_price is not None
    return OpenPosition(
        id=row.pk,
        instrument_id=row.instrument_id,
        symbol=row.instrument.symbol,
        holding=Holding(row.quantity, row.cost, row.margin),
        leverage=row.leverage,
        realized_pnl=row.realized_pnl,
        mark_price=row.instrument.mark_price,
    )


def get_policy() -> RiskPolicy:
    """Return the one policy row."""
    return RiskPolicy.objects.get(id=1)


def global_exposure() -> Decimal:
    """Return the exposure of all users in USDT, at the marks of the last market step."""
    total = GlobalExposure.objects.values_list("total", flat=True).get(id=1)
    return total or ZERO


def positions_of(*, user_id: int | None) -> QuerySet[Position]:
    """Return positions, open and closed, of one user or (None) of all."""
    positions = Position.objects.select_related("account", "instrument")
    return positions if user_id is None else positions.filter(account__user_id=user_id)


def open_positions() -> QuerySet[Position]:
    return Position.objects.filter(status=PositionStatus.OPEN)
