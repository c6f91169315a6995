"""What would happen if the marks moved: the next step's fills, then its close-outs, nothing stored.

The rules are those by which steps go: resting orders fill as in ``trading.orders.resting``, and
accounts in breach close out as in ``risk.closing``, by account as a sweep takes them. PostgreSQL
leaves the accounts out that are not in breach, by the functions that find them for the sweep.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from accounts.selectors import insurance_fund_balance
from kpi.selectors import MOST_POSITIONS
from market.kernel.snapshot import consistent_read
from market.kernel.turns import Turn, takes_turn
from market.models import Instrument
from risk.fills import Holding
from risk.policy import Policy
from risk.selectors import open_positions, policy_in_force
from risk.state import AccountState, InstrumentState, Limits, OpenPosition, RiskSnapshot
from risk.what_if import CloseOuts, close_out_in_turn, moved
from trading.booking.throttle import read_throttles
from trading.models import Order
from trading.orders.resting import changes_of, orders_reached_at

#: With more resting orders that would fill first, the answer leaves all of their fills out.
MOST_FILLS: Final = 500


class Busy(Exception):
    """Another move is being worked out."""


@dataclass(frozen=True, slots=True)
class Move:
    """By how many percent the marks move, of all instruments or of one."""

    percent: Decimal
    symbol: str = ""

    def moves(self, instrument: Instrument | InstrumentState) -> bool:
        return self.percent != 0 and self.symbol in ("", instrument.symbol)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What a move would do; ``accounts`` counts those with open positions, before it.

    ``fills`` counts the resting orders that would fill first; None where they are too many to
    look at, and left out. Money in USDT.
    """

    move: Move
    accounts: int
    fills: int | None
    fund_before: Decimal
    close_outs: CloseOuts


def what_if(move: Move) -> WhatIf | None:
    """Return what a move would do, as of one moment; None with more than MOST_POSITIONS open.

    One at a time, whoever asks: it takes a processor for seconds where many close. Raises Busy.
    """
    with consistent_read():
        if not takes_turn(Turn.WHAT_IF):
            raise Busy
        if open_positions()[: MOST_POSITIONS + 1].count() > MOST_POSITIONS:
            return None
        return read_what_if(move)


def read_what_if(move: Move) -> WhatIf:
    policy, fund = policy_in_force(), insurance_fund_balance()
    instruments = {i.pk: moved_state(i, move) for i in Instrument.objects.exclude(mark_price=None)}
    orders = fills_at(instruments, move, policy)
    own = {key: list(rows) for key, rows in groupby(orders or (), key=attrgetter("account_id"))}
    accounts, found = read_accounts(instruments, policy, filling=own)
    by_symbol = {one.symbol: one for one in instruments.values()}
    in_turn = after_fills(found, own, by_symbol, policy)
    return WhatIf(
        move=move,
        accounts=accounts,
        fills=None if orders is None else len(orders),
        fund_before=fund,
        close_outs=close_out_in_turn(in_turn, policy.limits(tier=""), by_symbol, fund=fund),
    )


def moved_state(instrument: Instrument, move: Move) -> InstrumentState:
    """Return an instrument as a decision sees it, at its moved mark."""
    state = InstrumentState(*(getattr(instrument, field.name) for field in fields(InstrumentState)))
    if not move.moves(instrument):
        return state
    assert state.mark_price is not None
    return replace(state, mark_price=moved(state.mark_price, move.percent, state.tick_size))


def fills_at(
    instruments: Mapping[int, InstrumentState], move: Move, policy: Policy
) -> list[Order] | None:
    """Return the orders that a step to the moved marks fills first; None if they are too many."""
    marks = {key: mark_of(one) for key, one in instruments.items() if move.moves(one)}
    if not marks or policy.trading_halted:
        return []
    orders = orders_reached_at(marks, most=MOST_FILLS + 1)
    return orders if len(orders) <= MOST_FILLS else None


def mark_of(instrument: InstrumentState) -> Decimal:
    assert instrument.mark_price is not None
    return instrument.mark_price


def after_fills(
    found: Iterable[tuple[AccountState, Limits]],
    orders: Mapping[int, Sequence[Order]],
    by_symbol: Mapping[str, InstrumentState],
    policy: Policy,
) -> Iterator[AccountState]:
    """Yield the accounts of ``found`` in breach once their orders have filled, by their limits.

    Who has none was found to be in breach.
    """
    snapshots, now = [RiskSnapshot(*one, by_symbol) for one in found], timezone.now()
    throttles = read_throttles(
        (one for one in snapshots if one.account.account_id in orders),
        fills={account_id: len(own) for account_id, own in orders.items()},
    )
    for snapshot in snapshots:
        account_id = snapshot.account.account_id
        if account_id not in orders:
            yield snapshot.account
            continue
        throttle = throttles.get(account_id)
        state = changes_of(orders[account_id], snapshot, now=now, throttle=throttle).state
        if state.is_in_breach(policy.requirement):
            yield state


# The rule of ``risk.bounds`` at other marks, and all accounts whose orders fill. A row at least,
# for the count.
ACCOUNTS: Final = """
WITH moved AS MATERIALIZED (
    SELECT * FROM unnest(%(instruments)s::bigint[], %(marks)s::numeric[])
        AS moved (instrument_id, mark)
),
held AS MATERIALIZED (
    SELECT position.account_id,
           sum(unrealized_pnl(position.quantity, moved.mark, position.cost)) AS unrealized_pnl,
           sum(required_equity(
               position.margin, %(threshold)s,
               abs(position.quantity) * moved.mark, ladder.rates, ladder.cumulatives
           )) AS required
    FROM risk_position AS position
    JOIN moved ON moved.instrument_id = position.instrument_id
    JOIN market_instrument AS instrument ON instrument.id = position.instrument_id
    LEFT JOIN risk_ladder AS ladder ON ladder.symbol = instrument.symbol
    WHERE position.status = 'OPEN'
    GROUP BY position.account_id
),
looked_at AS MATERIALIZED (
    SELECT account.id
    FROM held JOIN accounts_account AS account ON account.id = held.account_id
    WHERE margin_slack(account.balance + held.unrealized_pnl, held.required) < 0
    UNION
    SELECT unnest(%(filling)s::bigint[])
)
SELECT counted.accounts, owner.tier, account.suspended, account.reducing,
       account.id, account.user_id, account.balance,
       coalesce(reservation.reserved_margin, 0), coalesce(reservation.reserved_notional, 0),
       position.id, position.instrument_id, position.quantity, position.cost, position.margin,
       position.leverage, position.realized_pnl
FROM (SELECT count(*) AS accounts FROM held) AS counted
LEFT JOIN looked_at ON true
LEFT JOIN accounts_account AS account ON account.id = looked_at.id
LEFT JOIN accounts_user AS owner ON owner.id = account.user_id
LEFT JOIN risk_reservation AS reservation ON reservation.account_id = account.id
LEFT JOIN risk_position AS position
    ON position.account_id = account.id AND position.status = 'OPEN'
ORDER BY account.id
"""


def read_accounts(
    instruments: Mapping[int, InstrumentState], policy: Policy, *, filling: Iterable[int]
) -> tuple[int, Iterator[tuple[AccountState, Limits]]]:
    """Return how many accounts hold positions, then those in breach or ``filling``, by id.

    Each at the marks of ``instruments``, with the limits that the policy has for it.
    """
    asked: dict[str, Any] = {
        "instruments": list(instruments),
        "marks": [mark_of(one) for one in instruments.values()],
        "threshold": policy.liquidation_threshold,
        "filling": list(filling),
    }
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS, asked)
        rows = cursor.fetchall()
    found = groupby((row for row in rows if row[4] is not None), key=itemgetter(4))
    limits = cache(policy.limits)  # many accounts, few tiers
    return rows[0][0], (account_of(list(own), instruments, limits) for _, own in found)


def account_of(
    rows: Sequence[tuple[Any, ...]],
    instruments: Mapping[int, InstrumentState],
    limits_of: Callable[[str, bool, bool], Limits],
) -> tuple[AccountState, Limits]:
    """Return the account of some rows of ACCOUNTS, and its limits."""
    _, tier, suspended, reducing, account_id, user_id, balance, margin, notional, *_ = rows[0]
    positions = {
        row[10]: position_of(row[9:], instruments[row[10]]) for row in rows if row[9] is not None
    }
    state = AccountState(account_id, user_id, balance, positions, margin, notional)
    return state, limits_of(tier, suspended, reducing)


def position_of(row: tuple[Any, ...], instrument: InstrumentState) -> OpenPosition:
    key, _, quantity, cost, margin, leverage, realized_pnl = row
    holding, mark_price = Holding(quantity, cost, margin), mark_of(instrument)
    return OpenPosition(
        key, instrument.id, instrument.symbol, holding, leverage, realized_pnl, mark_price
    )
