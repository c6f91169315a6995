"""What would happen if the marks moved: the next step's fills, then its close-outs, nothing stored.

The rules are those by which steps go: resting orders fill as in ``trading.orders.resting``, and
accounts in breach close out as in ``risk.closing``, by account as a sweep takes them. PostgreSQL
leaves the accounts out that are not in breach, by the functions that find them for the sweep.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from accounts.selectors import insurance_fund_balance
from kpi.selectors import MOST_POSITIONS
from market.kernel.amounts import ZERO
from market.kernel.snapshot import consistent_read
from market.models import Instrument
from risk.fills import Holding
from risk.policy import Policy
from risk.selectors import open_positions, policy_in_force, read_risk_states
from risk.state import AccountState, OpenPosition
from risk.what_if import CloseOuts, at_marks, close_out_in_turn, moved
from trading.models import Order
from trading.orders.resting import changes_of, orders_reached_at

#: With more resting orders that would fill first, the answer leaves all of their fills out.
MOST_FILLS: Final = 500


@dataclass(frozen=True, slots=True)
class Move:
    """By how many percent the marks move, of all instruments or of one."""

    percent: Decimal
    symbol: str = ""

    def moves(self, instrument: Instrument) -> bool:
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
    """Return what a move would do, as of one moment; None with more than MOST_POSITIONS open."""
    with consistent_read():
        if open_positions()[: MOST_POSITIONS + 1].count() > MOST_POSITIONS:
            return None
        return read_what_if(move)


def read_what_if(move: Move) -> WhatIf:
    policy, fund = policy_in_force(), insurance_fund_balance()
    marked = list(Instrument.objects.exclude(mark_price=None))
    marks = {i.pk: moved_mark(i, move) for i in marked}
    stepped = {i.pk: marks[i.pk] for i in marked if move.moves(i)}
    orders = fills_at(stepped, policy)
    filled = accounts_after(orders, marks) if orders else []
    own = {account.account_id for account in filled}
    accounts, others = accounts_in_breach(
        marks, {i.pk: i.symbol for i in marked}, policy=policy, but=own
    )
    found = [one for one in filled if one.is_in_breach(policy.liquidation_threshold)]
    in_turn = sorted([*found, *others], key=attrgetter("account_id"))
    return WhatIf(
        move=move,
        accounts=accounts,
        fills=None if orders is None else len(orders),
        fund_before=fund,
        close_outs=close_out_in_turn(in_turn, policy.limits(tier=""), fund=fund),
    )


def moved_mark(instrument: Instrument, move: Move) -> Decimal:
    assert instrument.mark_price is not None
    if not move.moves(instrument):
        return instrument.mark_price
    return moved(instrument.mark_price, move.percent, instrument.tick_size)


def fills_at(marks: Mapping[int, Decimal], policy: Policy) -> list[Order] | None:
    """Return the orders that a step to marks would fill first; None if they are too many."""
    if not marks or policy.trading_halted:
        return []
    orders = orders_reached_at(marks, most=MOST_FILLS + 1)
    return orders if len(orders) <= MOST_FILLS else None


def accounts_after(orders: Sequence[Order], marks: Mapping[int, Decimal]) -> list[AccountState]:
    """Return the accounts of orders as their fills would leave them, at the moved marks."""
    now = timezone.now()
    own = {key: list(rows) for key, rows in groupby(orders, key=attrgetter("account_id"))}
    symbols = {order.symbol for order in orders}
    states = read_risk_states(account_ids=list(own), symbols=symbols)
    return [
        changes_of(own[one.account.account_id], at_marks(one, marks), now=now).state
        for one in states
    ]


# The rule of ``risk.bounds`` at other marks. A row at least, for the count.
IN_BREACH: Final = """
WITH moved AS MATERIALIZED (
    SELECT * FROM unnest(%(instruments)s::bigint[], %(marks)s::numeric[])
        AS moved (instrument_id, mark)
),
held AS MATERIALIZED (
    SELECT position.account_id,
           sum(unrealized_pnl(position.quantity, moved.mark, position.cost)) AS unrealized_pnl,
           sum(position.margin) AS margin
    FROM risk_position AS position
    JOIN moved ON moved.instrument_id = position.instrument_id
    WHERE position.status = 'OPEN'
    GROUP BY position.account_id
),
breaching AS MATERIALIZED (
    SELECT account.id, account.user_id, account.balance
    FROM held
    JOIN accounts_account AS account ON account.id = held.account_id
    WHERE margin_slack(account.balance + held.unrealized_pnl, held.margin, %(threshold)s) < 0
        AND account.id <> ALL(%(but)s::bigint[])
)
SELECT counted.accounts, breaching.*, position.id, position.instrument_id, position.quantity,
       position.cost, position.margin, position.leverage
FROM (SELECT count(*) AS accounts FROM held) AS counted
LEFT JOIN breaching ON true
LEFT JOIN risk_position AS position
    ON position.account_id = breaching.id AND position.status = 'OPEN'
ORDER BY breaching.id
"""


def accounts_in_breach(
    marks: Mapping[int, Decimal], symbols: Mapping[int, str], *, policy: Policy, but: Iterable[int]
) -> tuple[int, Iterator[AccountState]]:
    """Return how many accounts hold positions, and those in breach at marks, ``but`` some."""
    asked: dict[str, Any] = {
        "instruments": list(marks),
        "marks": list(marks.values()),
        "threshold": policy.liquidation_threshold,
        "but": list(but),
    }
    with connection.cursor() as cursor:
        cursor.execute(IN_BREACH, asked)
        rows = cursor.fetchall()
    found = (row for row in rows if row[1] is not None)
    return rows[0][0], (
        account_at(list(own), marks, symbols) for _, own in groupby(found, key=itemgetter(1))
    )


def account_at(
    rows: Sequence[tuple[Any, ...]], marks: Mapping[int, Decimal], symbols: Mapping[int, str]
) -> AccountState:
    """Return the account of some rows of IN_BREACH."""
    _, account_id, user_id, balance, *_ = rows[0]
    positions = {
        instrument: OpenPosition(
            key,
            instrument,
            symbols[instrument],
            Holding(quantity, cost, margin),
            leverage,
            ZERO,
            marks[instrument],
        )
        for *_, key, instrument, quantity, cost, margin, leverage in rows
    }
    return AccountState(account_id, user_id, balance, positions)
