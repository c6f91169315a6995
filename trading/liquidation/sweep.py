"""Finds accounts in breach and closes them out, group by group."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import structlog
from django.db import connection
from django.utils import timezone

from accounts.locks import lock_accounts
from accounts.services import fold_free_movements
from market.kernel.reasons import checked_reason
from risk.bounds import users_in_breach
from risk.exposure import ExposureChanges
from risk.selectors import read_risk_states
from risk.state import RiskSnapshot
from trading.booking.changes import AccountChanges
from trading.booking.isolation import PATIENCE, Isolation
from trading.booking.retrying import until_mark_holds
from trading.booking.writing import booking
from trading.liquidation.close_out import book_close_out
from trading.liquidation.insurance import InsuranceFund
from trading.models import OPEN_STATUSES, Liquidation, Order, Venue

log = structlog.get_logger(__name__)

#: Accounts that share a transaction: more save round trips, fewer keep others waiting less.
GROUP_SIZE: Final = 100


class AccountInUse(Exception):
    """Another transaction has locked an account of a group, which is not to wait for it."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The close-outs that were done, and the users whose close-out is left to the next sweep."""

    liquidations: Sequence[Liquidation]
    unfinished: set[int]


def sweep_liquidations(*, shard: int = 0, shards: int = 1) -> Sweep:
    """Close out every account in breach, or those of one shard.

    A sweep that dies halfway is finished by the next one, and two sweeps at once close out each
    account once.
    """
    isolation, done = Isolation(), list[Liquidation]()
    users = users_in_breach(shard=shard, shards=shards)
    for start in range(0, len(users), GROUP_SIZE):
        done += liquidate_or_part(users[start : start + GROUP_SIZE], isolation)
    if done:
        fold_free_movements()
    return Sweep(done, isolation.unfinished)


def sweep_by_hand(*, reason: str) -> Sweep:
    """Sweep at once because a person asks for it; the log and the staff log keep the reason.

    Raises ReasonRequired, ReasonTooLong.
    """
    log.info("sweep_by_hand", reason=checked_reason(reason))
    return sweep_liquidations()


def liquidate_or_part(user_ids: Sequence[int], isolation: Isolation) -> list[Liquidation]:
    """Close out a group; where that fails, each half of it for itself.

    An account that fails alone is left to the next sweep, so that it cannot shield the others.
    """
    if len(user_ids) == 1:
        with isolation.of(user_ids[0], failing="liquidation_failed"):
            return liquidate(user_ids=user_ids, patience=isolation.patience)
        return []
    try:
        return liquidate(user_ids=user_ids, patience=isolation.patience)
    except Exception as error:
        isolation.note(error)
    half = len(user_ids) // 2
    first = liquidate_or_part(user_ids[:half], isolation)
    return first + liquidate_or_part(user_ids[half:], isolation)


@until_mark_holds
def liquidate(*, user_ids: Sequence[int], patience: float = PATIENCE) -> list[Liquidation]:
    """Close out those of the users' accounts that, under their locks, still are in breach.

    The outcome is the same as of closing them out one after the other, by account. A row that
    stays locked for longer than ``patience`` seconds fails them all. Only one account alone waits
    for its own row: of several, one that is in use raises AccountInUse at once.
    """
    with booking() as write:
        alone = len(user_ids) == 1
        account_ids = lock_accounts(
            user_ids=user_ids, patience=patience if alone else 0, afterwards=patience
        )
        if len(account_ids) < len(user_ids):
            raise AccountInUse
        states = read_risk_states(account_ids=account_ids)
        in_breach = [found for found in states if is_in_breach(found)]
        group = close_out_all(in_breach) if in_breach else []
        if group:
            write(*group)
    for changes in group:
        log_liquidation(changes)
    return [changes.liquidation for changes in group if changes.liquidation]


def close_out_all(snapshots: Sequence[RiskSnapshot]) -> list[AccountChanges]:
    """Close out accounts one after the other and return what that changes."""
    ids, open_orders = draw_ids(snapshots), open_orders_of(snapshots)
    now, fund, exposures = timezone.now(), InsuranceFund(), ExposureChanges()
    group = [AccountChanges(snapshot.account, now, exposures) for snapshot in snapshots]
    order_ids = iter(ids.orders)
    for changes, snapshot, liquidation_id in zip(group, snapshots, ids.liquidations, strict=True):
        book_close_out(
            changes,
            snapshot,
            liquidation_id=liquidation_id,
            order_ids=order_ids,
            open_orders=open_orders.get(changes.state.account_id, ()),
            fund=fund,
        )
    return group


def is_in_breach(snapshot: RiskSnapshot) -> bool:
    return snapshot.account.is_in_breach(snapshot.limits.requirement)


DRAW_IDS: Final = """
SELECT ARRAY(SELECT nextval('trading_liquidation_id_seq') FROM generate_series(1, %(accounts)s)),
       ARRAY(SELECT nextval('trading_order_id_seq') FROM generate_series(1, %(positions)s))
"""


class Ids(NamedTuple):
    """Ids for a group: one per close-out and one per closing order."""

    liquidations: list[int]
    orders: list[int]


def draw_ids(snapshots: Sequence[RiskSnapshot]) -> Ids:
    """Reserve as many ids as the close-outs can need."""
    positions = sum(len(snapshot.account.positions) for snapshot in snapshots)
    with connection.cursor() as cursor:
        cursor.execute(DRAW_IDS, {"accounts": len(snapshots), "positions": positions})
        return Ids(*cursor.fetchone())


def open_orders_of(snapshots: Sequence[RiskSnapshot]) -> dict[int, list[Order]]:
    """Return open orders by account id; one that rests at another venue is that venue's fact."""
    account_ids = [snapshot.account.account_id for snapshot in snapshots]
    orders = Order.objects.filter(
        account_id__in=account_ids, status__in=OPEN_STATUSES, venue=Venue.SIMULATED
    ).order_by("account_id", "id")
    return {key: list(own) for key, own in groupby(orders, key=attrgetter("account_id"))}


def log_liquidation(changes: AccountChanges) -> None:
    done = changes.liquidation
    assert done is not None
    log.info(
        "liquidation",
        user_id=changes.state.user_id,
        liquidation_id=done.pk,
        margin_ratio=str(done.margin_ratio_before),
        insurance_paid=str(done.insurance_paid),
        bad_debt=str(done.bad_debt),
    )
