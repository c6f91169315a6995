"""Reads of the trading app."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, QuerySet

from accounts.models import Account
from accounts.selectors import OWNER, account_of
from market.kernel.endless import IsAnyOf
from market.kernel.errors import Forbidden
from market.kernel.rows import Rows, as_array
from market.kernel.states import TradingState
from market.models import Instrument
from market.selectors import listed_as, state_by_staff
from risk.selectors import get_policy
from trading.errors import OrderNotFound
from trading.models import OPEN_STATUSES, Kill, Liquidation, Order, ParkedAnswer, Trade

#: Of parked answers so many are looked at together.
MOST_PARKED: Final = 100


#: Rows as answers and events tell them, with so much of others as they say.
ORDERS: Final = Rows(Order, account=OWNER)
TRADES: Final = Rows(Trade, account=OWNER, instrument=("id", "symbol"))


class LiquidationRows(Rows[Liquidation]):
    """Liquidations, each with its trades by id."""

    def where(self, condition: str, arguments: Sequence[Any]) -> list[Liquidation]:
        found = super().where(condition, arguments)
        if not found:
            return found
        closing: dict[int | None, list[Trade]] = {row.pk: [] for row in found}
        of_them = "own.liquidation_id = ANY(%s::bigint[]) ORDER BY own.id"
        for trade in TRADES.where(of_them, [as_array([row.pk for row in found])]):
            closing[trade.liquidation_id].append(trade)
        for row in found:
            row.closing_trades = closing[row.pk]
        return found


LIQUIDATIONS: Final = LiquidationRows(Liquidation, account=OWNER)


def orders_of(*, user_id: int | None) -> QuerySet[Order]:
    """Return orders with their account, of one user or (None) of all."""
    orders = Order.objects.select_related("account")
    return orders if user_id is None else orders.filter(account=account_of(user_id))


def orders_named(client_order_id: str, *, user_id: int | None) -> QuerySet[Order]:
    """Return the orders that were given a name: one of a user's at most, or (None) of anybody's.

    Names are indexed by account: of all accounts each is looked into, however many orders it has.
    """
    named = orders_of(user_id=user_id).filter(client_order_id=client_order_id)
    if user_id is not None:
        return named
    accounts = ArraySubquery(Account.objects.values("pk"))
    return named.filter(IsAnyOf(F("account_id"), accounts))


def get_order(*, order_id: int, user_id: int | None) -> Order:
    """Return one order, for its owner or (``user_id`` None) for staff.

    Raises OrderNotFound, Forbidden.
    """
    order = orders_of(user_id=None).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    if user_id is not None and order.account.user_id != user_id:
        raise Forbidden
    return order


def open_orders_of(*, user_id: int, symbol: str | None = None) -> QuerySet[Order]:
    """Return the open orders of a user on all venues, as they were accepted."""
    orders = orders_of(user_id=user_id).filter(status__in=OPEN_STATUSES).order_by("id")
    return orders if symbol is None else orders.filter(symbol=symbol)


def trades_of(*, user_id: int | None) -> QuerySet[Trade]:
    """Return trades of one user or (None) of all."""
    trades = Trade.objects.all()
    return trades if user_id is None else trades.filter(account=account_of(user_id))


def liquidations_of(*, user_id: int | None) -> QuerySet[Liquidation]:
    """Return liquidations of one user or (None) of all."""
    liquidations = Liquidation.objects.all()
    return liquidations if user_id is None else liquidations.filter(account=account_of(user_id))


def liquidations_in(symbol: str) -> QuerySet[Trade, int | None]:
    """Return the ids of the liquidations that closed a position in an instrument."""
    trades = Trade.objects.filter(instrument=listed_as(symbol), liquidation__isnull=False)
    return trades.order_by().values_list("liquidation_id", flat=True)


def parked_answers_waiting() -> int:
    """Return how many answers of a venue wait for staff; beyond MOST_PARKED nobody counts."""
    return ParkedAnswer.objects.filter(settled_at=None)[:MOST_PARKED].count()


def parked_answers_since(moment: datetime) -> list[ParkedAnswer]:
    """Return the answers of a venue that wait for staff, and those settled since a moment.

    Of either only the first hundred: the others have their turn when those are settled.
    """
    waiting = ParkedAnswer.objects.filter(settled_at=None).order_by("id")[:MOST_PARKED]
    settled = ParkedAnswer.objects.filter(settled_at__gt=moment).order_by("-id")[:MOST_PARKED]
    return [*waiting, *settled]


def unfinished_kills(*, most: int) -> list[Kill]:
    """Return kills that left orders, newest first; one whose state was loosened is none of them."""
    acts = Kill.objects.filter(finished_at=None).select_related("account__user", "instrument")
    return list(acts[:most])


def state_held(*, account: Account | None, instrument: Instrument | None) -> TradingState:
    """Return the state that staff have set for an account or an instrument, or for everybody."""
    if account is not None:
        return account.state
    if instrument is not None:
        return state_by_staff(instrument=instrument)
    return get_policy().trading_state
