"""Reads of the risk app: the state that an order is decided on, and exposures."""

from collections import namedtuple
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from accounts.selectors import OWNER, account_of
from market.kernel.amounts import ZERO
from market.kernel.errors import Forbidden
from market.kernel.rows import Rows, as_array
from market.kernel.snapshot import consistent_read
from market.kernel.states import TradingState
from market.models import Instrument
from risk.errors import PositionNotFound
from risk.maintenance import Requirement
from risk.models import GlobalExposure, LeverageLimit, Position, PositionStatus, RiskPolicy
from risk.policy import BY_TIER, Policy, policy_of
from risk.state import (
    AccountState,
    InstrumentState,
    Limits,
    OpenPosition,
    RiskSnapshot,
    open_position,
)

# Where the fields of a state are read, by their names. A limit is the policy's column of its name.
ACCOUNT: Final = {
    "account_id": "account.id",
    "user_id": "account.user_id",
    "balance": "account.balance",
    "reserved_margin": "coalesce(reservation.reserved_margin, 0)",
    "reserved_notional": "coalesce(reservation.reserved_notional, 0)",
}
LIMITS: Final = {
    **{field.name: f"policy.{field.name}" for field in fields(Limits)},
    "suspended": "account.suspended",
    "account_reducing": "account.reducing",
    "throttled": "account.throttled",
    "tier_state": f"coalesce(leverage.tier_state, '{TradingState.ACTIVE}')",
    "max_leverage": "coalesce(leverage.max_leverage, 1)",
    "max_order_value": "leverage.max_order_value",
    "max_minute_value": "leverage.max_minute_value",
}
INSTRUMENT: Final = {
    (
        f"instrument_{field.name}" if field.name in {"id", *LIMITS} else field.name
    ): f"instrument.{field.name}"
    for field in fields(InstrumentState)
}
POSITION: Final = {
    name: f"position.{name}"
    for name in ("id", "quantity", "cost", "margin", "leverage", "realized_pnl")
}

# One row per account and open position or instrument asked for: a single statement sees one moment
# of marks, positions and policy.
RISK_STATES: Final = """
SELECT {own}, seen.*
FROM accounts_account AS account
JOIN accounts_user AS owner ON owner.id = account.user_id
JOIN risk_riskpolicy AS policy ON policy.id = 1
LEFT JOIN risk_leveragelimit AS leverage ON leverage.tier = owner.tier
LEFT JOIN risk_reservation AS reservation ON reservation.account_id = account.id
LEFT JOIN LATERAL (
    SELECT {seen}
    FROM market_instrument AS instrument
    LEFT JOIN risk_position AS position
        ON position.instrument_id = instrument.id
        AND position.account_id = account.id AND position.status = 'OPEN'
    WHERE position.id IS NOT NULL OR instrument.symbol = ANY(%(symbols)s)
) AS seen ON true
WHERE account.id {among}
ORDER BY account.id
"""


def risk_states(among: str) -> str:
    """Return the statement for the accounts whose id is ``among`` some."""
    own, seen = columns(ACCOUNT | LIMITS), columns(INSTRUMENT | POSITION)
    return RISK_STATES.format(own=own, seen=seen, among=among)


def columns(sources: Mapping[str, str]) -> str:
    """Return what a SELECT lists, from sources by name."""
    return ", ".join(f"{source} AS {name}" for name, source in sources.items())


# Apart, since PostgreSQL keeps the plan for one account and plans anew for a list.
STATE_OF_ONE: Final = risk_states("= %(account)s")
STATES_OF_MANY: Final = risk_states("= ANY(%(accounts)s)")
STATES_OF_OWNERS: Final = risk_states(
    "= ANY(ARRAY(SELECT id FROM accounts_account WHERE user_id = ANY(%(owners)s::bigint[])))"
)
REQUIREMENT: Final = """
SELECT liquidation_threshold, margin_mode, maintenance_brackets FROM risk_riskpolicy WHERE id = 1
"""
NAMES: Final = [*ACCOUNT, *LIMITS, *INSTRUMENT, *POSITION]
StateRow: Any = namedtuple("StateRow", NAMES)  # type: ignore[misc]  # names known at import only
limits_of, instrument_of = attrgetter(*LIMITS), attrgetter(*INSTRUMENT)


def read_risk_state(*, account_id: int, symbols: Collection[str] = ()) -> RiskSnapshot:
    """Return account, limits and the instruments of ``symbols`` as they are now.

    Under the account's lock this is what a decision may rest on.
    """
    with connection.cursor() as cursor:
        cursor.execute(STATE_OF_ONE, {"account": account_id, "symbols": list(symbols)})
        return snapshot_of([StateRow._make(row) for row in cursor.fetchall()])


def read_risk_states(*, account_ids: Sequence[int]) -> list[RiskSnapshot]:
    """Return the same of several accounts, all as they are at one moment, by account id."""
    with connection.cursor() as cursor:
        cursor.execute(STATES_OF_MANY, {"accounts": list(account_ids), "symbols": []})
        return snapshots_in(cursor)


def ask_for_states(
    cursor: CursorWrapper, *, user_ids: Collection[int], symbols: Collection[str]
) -> None:
    """Send the same question for the accounts of users; ``snapshots_in`` reads the answer."""
    cursor.execute(STATES_OF_OWNERS, {"owners": as_array(user_ids), "symbols": list(symbols)})


def snapshots_in(cursor: CursorWrapper) -> list[RiskSnapshot]:
    """Return what the rows of a cursor say of each account, by account id."""
    rows = [StateRow._make(row) for row in cursor.fetchall()]
    return [snapshot_of(list(own)) for _, own in groupby(rows, key=attrgetter("account_id"))]


def snapshot_of(rows: Sequence[Any]) -> RiskSnapshot:
    """Return what the rows of RISK_STATES say of one account."""
    own, seen = rows[0], [row for row in rows if row.instrument_id is not None]
    return RiskSnapshot(
        account=account_state(own, [row for row in seen if row.id is not None]),
        limits=Limits(*limits_of(own)),
        instruments={row.symbol: InstrumentState(*instrument_of(row)) for row in seen},
    )


def account_state(own: Any, positions: Iterable[Any]) -> AccountState:
    """Return the state of a row with the columns of ACCOUNT and its rows of open positions."""
    return AccountState(
        account_id=own.account_id,
        user_id=own.user_id,
        balance=own.balance,
        positions={
            row.instrument_id: open_position(row, row.symbol, row.mark_price) for row in positions
        },
        reserved_margin=own.reserved_margin,
        reserved_notional=own.reserved_notional,
    )


def account_states(account_ids: Sequence[int]) -> dict[int, AccountState]:
    """Return the states of accounts by account id, each at present marks, for reading only."""
    snapshots = read_risk_states(account_ids=account_ids)
    return {snapshot.account.account_id: snapshot.account for snapshot in snapshots}


def as_open_position(row: Position) -> OpenPosition:
    """Return an open row, with its instrument, at its present mark price."""
    assert row.instrument.mark_price is not None
    return open_position(row, row.instrument.symbol, row.instrument.mark_price)


def get_policy() -> RiskPolicy:
    """Return the one policy row."""
    [policy] = POLICY.where("own.id = 1", ())
    return policy


def requirement_in_force() -> Requirement:
    """Return how much equity positions require."""
    with connection.cursor() as cursor:
        cursor.execute(REQUIREMENT)
        return Requirement(*cursor.fetchone())


def policy_in_force() -> Policy:
    """Return the policy as one value, with the leverage limits, all as they are at one moment."""
    with consistent_read():
        limits = {row["tier"]: row for row in LeverageLimit.objects.values("tier", *BY_TIER)}
        return policy_of(get_policy(), limits=limits)


def price_collar(*, instrument: Instrument) -> Decimal:
    """Return the collar of an instrument's prices: its own, else the policy's."""
    return price_collars([instrument])[instrument.pk]


def price_collars(instruments: Iterable[Instrument]) -> dict[int, Decimal]:
    """Return the collars of instruments by id."""
    common = get_policy().price_collar
    return {i.pk: common if i.price_collar is None else i.price_collar for i in instruments}


def global_exposure() -> Decimal:
    """Return the exposure of all users in USDT, at the marks of the last market step."""
    total = GlobalExposure.objects.values_list("total", flat=True).get(id=1)
    return total or ZERO


POLICY: Final = Rows(RiskPolicy)
#: Rows as answers tell them, with so much of others as they say.
POSITIONS: Final = Rows(Position, account=OWNER, instrument=("id", "symbol", "mark_price"))


def positions_of(*, user_id: int | None) -> QuerySet[Position]:
    """Return positions, open and closed, of one user or (None) of all."""
    positions = Position.objects.select_related("account", "instrument")
    return positions if user_id is None else positions.filter(account=account_of(user_id))


def get_position(*, position_id: int, user_id: int | None) -> Position:
    """Return one position, for its owner or (``user_id`` None) for staff.

    Raises PositionNotFound, Forbidden.
    """
    position = positions_of(user_id=None).filter(pk=position_id).first()
    if position is None:
        raise PositionNotFound
    if user_id is not None and position.account.user_id != user_id:
        raise Forbidden
    return position


def open_positions() -> QuerySet[Position]:
    """Return open positions.

    The status stands in the statement's text, so that a plan that PostgreSQL keeps for any account
    knows the index of open positions.
    """
    is_open = RawSQL(  # noqa: S611
        f"risk_position.status = '{PositionStatus.OPEN}'", [], output_field=BooleanField()
    )
    return Position.objects.filter(is_open)
